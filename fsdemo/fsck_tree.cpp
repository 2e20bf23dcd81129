// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/fsck_tree.hpp"

#include "fsdemo/node.hpp"

#include <algorithm>
#include <limits>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::uint64_t highest = std::numeric_limits<std::uint64_t>::max();
constexpr tree_key first_key{};
constexpr tree_key last_key{static_cast<item_type>(0xff), highest, highest};

/// The key before; there is one.
tree_key before(tree_key key) noexcept {
    if (key.offset-- != 0)
        return key;
    if (key.object-- != 0)
        return key;
    key.type = static_cast<item_type>(static_cast<unsigned>(key.type) - 1);
    return key;
}

/// A node to be looked at: which one, and from which key to which it may have items.
struct expected_node {
    node_ref ref;
    unsigned level = 0;
    tree_key first, last;
    std::uint64_t generation_max = 0; // its parent's
};

class tree_reader {
  public:
    tree_reader(metadata_io& io, const superblock& super, std::uint64_t device_blocks, fsck_totals& totals,
                finding_list& findings, image_items& items)
        : io_(io), super_(super), totals_(totals), findings_(findings), items_(items),
          is_node_(std::min(super.blocks, device_blocks)), here_(std::make_unique<node>()) {}

    void run() {
        to_do_.push_back({super_.root, super_.root_level, first_key, last_key, super_.generation});
        while (!to_do_.empty()) {
            const expected_node next = to_do_.back();
            to_do_.pop_back();
            const std::string wrong = read(next);
            if (!wrong.empty()) {
                findings_.at_block(finding_kind::node, next.ref.block, wrong);
                items_.missing.add(next.first, next.last);
                items_.are_nodes_missing |= next.level != 0 || !was_read_;
            } else if (next.level != 0) {
                go_below(next);
            } else {
                take_items();
            }
        }
    }

  private:
    // A finding's sentence, empty: the node is here.
    std::string read(const expected_node& expected);
    std::string misfit(const expected_node& expected) const;
    void go_below(const expected_node& parent);
    void take_items();
    bool take(const tree_key& key, bytes_view data);

    metadata_io& io_;
    const superblock& super_;
    fsck_totals& totals_;
    finding_list& findings_;
    image_items& items_;
    std::vector<bool> is_node_; // by block
    bool was_read_ = false;     // the last one was looked for where it may be
    std::vector<expected_node> to_do_;
    const std::unique_ptr<node> here_;
};

std::string tree_reader::read(const expected_node& expected) {
    const block_number block = expected.ref.block;
    was_read_ = false;
    const std::string name = "block " + std::to_string(block) + " ";
    if (block < superblock_count || block >= is_node_.size())
        return "the tree leads to block " + std::to_string(block) + ", which is not one for nodes";
    if (is_node_[block])
        return name + "is in the tree twice";
    is_node_[block] = was_read_ = true;
    items_.nodes.push_back(block);
    if (const std::error_code error = io_.read(block, here_->bytes()))
        return name + "cannot be read: " + error.message();
    if (const std::string_view why = here_->check(expected.ref, expected.level, super_.uuid); !why.empty())
        return name + std::string(why);
    const std::string why = misfit(expected);
    return why.empty() ? why : name + why;
}

// What a node says of itself is right; what its parent says may still not be.
std::string tree_reader::misfit(const expected_node& expected) const {
    if (here_->generation() > expected.generation_max)
        return "is newer than what leads to it";
    const bool is_root = expected.level == super_.root_level;
    if (here_->count() == 0)
        return is_root ? "" : "is empty, and not the root";
    if (here_->key(0) < expected.first || here_->key(here_->count() - 1) > expected.last)
        return "has keys its parent does not lead to";
    return {};
}

void tree_reader::go_below(const expected_node& parent) {
    ++totals_.nodes;
    tree_key last = parent.last;
    for (unsigned slot = here_->count(); slot-- != 0;) {
        const tree_key first = here_->key(slot);
        to_do_.push_back({here_->child(slot), parent.level - 1, first, last, here_->generation()});
        if (slot != 0)
            last = before(first);
    }
}

void tree_reader::take_items() {
    ++totals_.nodes;
    ++totals_.leaves;
    for (unsigned slot = 0; slot < here_->count(); ++slot) {
        const tree_key key = here_->key(slot);
        if (take(key, std::as_const(*here_).item(slot)))
            continue;
        findings_.at_key(finding_kind::item, key,
                         "an item of " + std::to_string(std::as_const(*here_).item(slot).size()) +
                             " bytes that cannot be under its key");
        items_.missing.add(key, key);
    }
}

bool tree_reader::take(const tree_key& key, bytes_view data) {
    switch (key.type) {
    case item_type::inode:
        if (const auto item = decode_inode(key, data)) {
            items_.inodes.push_back({.number = key.object, .item = *item});
            return true;
        }
        return false;
    case item_type::dir_entry:
        if (const auto item = decode_dir_entry(key, data)) {
            items_.entries.push_back(
                {key.object, key.offset, item->inode, item->kind, std::string(item->name)});
            return true;
        }
        return false;
    case item_type::file_extent:
        if (const auto item = decode_file_extent(key, data, super_.blocks)) {
            items_.parts.push_back({key.object, key.offset, *item});
            return true;
        }
        return false;
    case item_type::extent:
        if (const auto item = decode_extent(key, data, super_.blocks)) {
            items_.extents.push_back({.first = key.object, .item = *item});
            return true;
        }
        return false;
    case item_type::free:
        if (const auto item = decode_free(key, data, super_.blocks)) {
            items_.free_runs.push_back({key.object, item->blocks});
            return true;
        }
        return false;
    }
    return false;
}

template <typename Table, typename Number, typename Member>
auto* find_in(Table& table, Number number, Member member) noexcept {
    const auto found = std::ranges::lower_bound(table, number, {}, member);
    return found != table.end() && (*found).*member == number ? &*found : nullptr;
}

} // namespace

bool missing_keys::has_any(const tree_key& first, const tree_key& last) const noexcept {
    const auto found = std::ranges::lower_bound(ranges_, first, {}, &range::last);
    return found != ranges_.end() && found->first <= last;
}

bool missing_keys::has_any_of(item_type type) const noexcept {
    return has_any({type, 0, 0}, {type, highest, highest});
}

found_inode* image_items::find_inode(inode_number number) noexcept {
    return find_in(inodes, number, &found_inode::number);
}
const found_inode* image_items::find_inode(inode_number number) const noexcept {
    return find_in(inodes, number, &found_inode::number);
}
found_extent* image_items::find_extent(block_number first) noexcept {
    return find_in(extents, first, &found_extent::first);
}

const found_entry* image_items::find_entry(const tree_key& key) const noexcept {
    const auto found = std::ranges::lower_bound(entries, key, {}, &found_entry::key);
    return found != entries.end() && found->key() == key ? &*found : nullptr;
}

image_items read_items(metadata_io& io, const superblock& super, std::uint64_t device_blocks,
                       fsck_totals& totals, finding_list& findings) {
    image_items items;
    tree_reader(io, super, device_blocks, totals, findings, items).run();
    return items;
}

} // namespace blkcrypto::fsdemo
