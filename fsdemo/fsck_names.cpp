// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/fsck_checks.hpp"

#include <algorithm>
#include <limits>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::size_t path_bytes_max = 4096;
constexpr crypto_traits traits{.block_bits = block_bits, .file_bytes_max = file_bytes_max};

std::string name_of_inode(inode_number number) {
    return "inode " + std::to_string(number);
}

std::string_view name_of_kind(inode_kind kind) {
    return kind == inode_kind::file ? "file" : "directory";
}

class name_checker {
  public:
    name_checker(image_items& items, const superblock& super, finding_list& findings)
        : items_(items), super_(super), findings_(findings) {}

    void run() {
        check_root();
        for (std::size_t i = 0; i < items_.entries.size(); ++i) {
            check_name(i);
            check_directory(i);
            check_target(i);
        }
        for (const found_inode& inode : items_.inodes)
            check_inode(inode);
        check_circles();
    }

  private:
    void wrong(finding_kind kind, inode_number inode, const tree_key& key, std::string what) {
        findings_.at_inode(kind, inode, key, std::move(what));
    }
    void wrong(const found_entry& entry, std::string what) {
        wrong(finding_kind::dir_entry, entry.directory, entry.key(), std::move(what));
    }
    void wrong(const found_inode& inode, std::string what) {
        wrong(finding_kind::inode, inode.number, inode_key(inode.number), std::move(what));
    }
    /// What `inode` is in, as its name says; null at the root, and where that is not known.
    const found_inode* above(const found_inode& inode) const noexcept;

    void check_root();
    void check_name(std::size_t at);
    void check_directory(std::size_t at);
    void check_target(std::size_t at);
    void check_place(const found_entry& entry, const found_inode& inode);
    void check_inode(const found_inode& inode);
    void check_circles();

    image_items& items_;
    const superblock& super_;
    finding_list& findings_;
};

const found_inode* name_checker::above(const found_inode& inode) const noexcept {
    if (inode.number == root_inode || inode.names == 0)
        return nullptr;
    return std::as_const(items_).find_inode(items_.entries[inode.first_entry].directory);
}

void name_checker::check_root() {
    const found_inode* const root = items_.find_inode(root_inode);
    const tree_key key = inode_key(root_inode);
    if (root == nullptr) {
        if (!items_.missing.has(key))
            wrong(finding_kind::inode, root_inode, key, "there is no root directory");
    } else if (root->item.kind != inode_kind::directory) {
        wrong(*root, "the root is not a directory");
    } else if (root->item.parent != root_inode) {
        wrong(*root, "the root says it is in inode " + std::to_string(root->item.parent));
    }
}

// Its hash, and that no other entry of the directory has it: they would have the same hash.
void name_checker::check_name(std::size_t at) {
    const found_entry& entry = items_.entries[at];
    const std::uint64_t hash = hash_name(super_.uuid, entry.name);
    if ((entry.hash & ~std::uint64_t{0xff}) != hash)
        wrong(entry, "the hash of a name of " + name_of_inode(entry.inode) + " is wrong");
    for (std::size_t i = at; i-- != 0;) {
        const found_entry& other = items_.entries[i];
        if (other.directory != entry.directory || ((other.hash ^ entry.hash) >> 8) != 0)
            break;
        if (other.name == entry.name) {
            wrong(entry, "there is another entry of the same name");
            break;
        }
    }
}

// Once for each directory that is none; of the root that is a finding already.
void name_checker::check_directory(std::size_t at) {
    const found_entry& entry = items_.entries[at];
    const bool is_first = at == 0 || items_.entries[at - 1].directory != entry.directory;
    if (!is_first || entry.directory == root_inode)
        return;
    const found_inode* const directory = items_.find_inode(entry.directory);
    if (directory == nullptr && !items_.missing.has(inode_key(entry.directory)))
        wrong(entry, "entries of " + name_of_inode(entry.directory) + ", which is not there");
    if (directory != nullptr && directory->item.kind != inode_kind::directory)
        wrong(entry, "entries of " + name_of_inode(entry.directory) + ", a file");
}

void name_checker::check_target(std::size_t at) {
    const found_entry& entry = items_.entries[at];
    found_inode* const inode = items_.find_inode(entry.inode);
    if (inode == nullptr) {
        if (!items_.missing.has(inode_key(entry.inode)))
            wrong(entry, "it leads to " + name_of_inode(entry.inode) + ", which is not there");
        return;
    }
    if (inode->item.kind != entry.kind)
        wrong(entry, "it says that " + name_of_inode(entry.inode) + " is a " +
                         std::string(name_of_kind(entry.kind)) + ", which it is not");
    if (inode->names++ == 0) {
        inode->first_entry = at;
        check_place(entry, *inode);
    }
}

void name_checker::check_place(const found_entry& entry, const found_inode& inode) {
    if (inode.item.parent != entry.directory)
        wrong(inode, "it says it is in inode " + std::to_string(inode.item.parent) + ", and its name is in " +
                         name_of_inode(entry.directory));
    const found_inode* const directory = items_.find_inode(entry.directory);
    if (directory == nullptr || !directory->item.context)
        return;
    if (!inode.item.context || inode.item.context->policy != directory->item.context->policy)
        wrong(finding_kind::policy, inode.number, inode_key(inode.number),
              "it has not the policy of its directory");
}

void name_checker::check_inode(const found_inode& inode) {
    if (inode.number >= super_.next_inode)
        wrong(inode, "its number is not less than the next one to be given out, " +
                         std::to_string(super_.next_inode));
    std::string_view why;
    if (inode.item.context && !check_policy(encode(inode.item.context->policy), traits, why))
        wrong(finding_kind::policy, inode.number, inode_key(inode.number), std::string(why));
    if (inode.names > 1)
        wrong(inode, "it has " + std::to_string(inode.names) + " names");
    constexpr std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
    const tree_key first_entry{item_type::dir_entry, inode.item.parent, 0};
    if (inode.names == 0 && inode.number != root_inode &&
        !items_.missing.has_any(first_entry, {item_type::dir_entry, inode.item.parent, last}))
        wrong(inode, "it has no name");
}

// From each inode upwards, as far as nobody has been. What ends anywhere but at the root ends at an inode
// without a name, or at a directory that is not there: those are findings already. What does not end is one.
void name_checker::check_circles() {
    std::vector<std::size_t> walk_of(items_.inodes.size()); // the walk that came by; 0: none
    for (std::size_t start = 0; start < items_.inodes.size(); ++start) {
        for (const found_inode* at = &items_.inodes[start]; at != nullptr; at = above(*at)) {
            std::size_t& walk = walk_of[static_cast<std::size_t>(at - items_.inodes.data())];
            if (walk == start + 1)
                wrong(*at, "it is below itself");
            if (walk != 0)
                break;
            walk = start + 1;
        }
    }
}

} // namespace

void check_names(image_items& items, const superblock& super, finding_list& findings) {
    name_checker(items, super, findings).run();
}

std::string path_of(const image_items& items, inode_number inode) {
    std::vector<const std::string*> names;
    std::size_t bytes = 0;
    for (inode_number at = inode; at != root_inode;) {
        const found_inode* const here = items.find_inode(at);
        if (here == nullptr || here->names == 0)
            return {};
        const found_entry& entry = items.entries[here->first_entry];
        bytes += 1 + entry.name.size();
        if (bytes > path_bytes_max)
            return {};
        names.push_back(&entry.name);
        at = entry.directory;
    }
    std::string path = names.empty() ? "/" : "";
    for (auto name = names.rbegin(); name != names.rend(); ++name)
        path.append("/").append(**name);
    return path;
}

std::string path_of(const image_items& items, const found_entry& entry) {
    const std::string directory = path_of(items, entry.directory);
    return directory.empty() ? directory : (directory == "/" ? directory : directory + "/") + entry.name;
}

} // namespace blkcrypto::fsdemo
