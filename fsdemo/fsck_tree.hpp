// SPDX-License-Identifier: Apache-2.0
#pragma once
// The first half of fsck: all of an image's tree, into tables by key. A node or item that is wrong is a
// finding, and what would have been there is known to be missing. For fsck alone.

#include "fsdemo/fsck.hpp"
#include "fsdemo/metadata_io.hpp"

namespace blkcrypto::fsdemo {

/// What was found, as much as is to be listed.
class finding_list {
  public:
    finding_list(fsck_report& report, std::size_t max) noexcept : report_(report), max_(max) {}

    void add(fsck_finding finding) {
        ++report_.findings_count;
        if (report_.findings.size() < max_)
            report_.findings.push_back(std::move(finding));
    }
    void at_block(finding_kind kind, block_number block, std::string what) {
        add({.kind = kind, .block = block, .key = {}, .inode = {}, .path = {}, .what = std::move(what)});
    }
    void at_key(finding_kind kind, const tree_key& key, std::string what) {
        add({.kind = kind, .block = {}, .key = key, .inode = {}, .path = {}, .what = std::move(what)});
    }
    /// About an inode, by the item under `key`.
    void at_inode(finding_kind kind, inode_number inode, const tree_key& key, std::string what) {
        add({.kind = kind, .block = {}, .key = key, .inode = inode, .path = {}, .what = std::move(what)});
    }

  private:
    fsck_report& report_;
    const std::size_t max_;
};

/// Keys whose items could not be read, if there were any. Added in order.
class missing_keys {
  public:
    void add(const tree_key& first, const tree_key& last) { ranges_.push_back({first, last}); }
    bool has_any(const tree_key& first, const tree_key& last) const noexcept;
    bool has(const tree_key& key) const noexcept { return has_any(key, key); }
    /// Any item of that type.
    bool has_any_of(item_type type) const noexcept;
    bool empty() const noexcept { return ranges_.empty(); }

  private:
    struct range {
        tree_key first, last;
    };
    std::vector<range> ranges_;
};

struct found_inode {
    inode_number number = 0;
    inode_item item;
    std::uint64_t names = 0;     // entries that lead to it
    std::size_t first_entry = 0; // of those; if there is one
};
struct found_entry {
    inode_number directory = 0;
    std::uint64_t hash = 0; // the offset of its key
    inode_number inode = 0;
    inode_kind kind{};
    std::string name;

    tree_key key() const noexcept { return {item_type::dir_entry, directory, hash}; }
};
struct found_part {
    inode_number inode = 0;
    std::uint64_t offset_bytes = 0;
    file_extent_item item;

    tree_key key() const noexcept { return file_extent_key(inode, offset_bytes); }
    std::uint64_t end_bytes() const noexcept { return offset_bytes + item.length_bytes; }
};
struct found_extent {
    block_number first = 0;
    extent_item item;
    std::uint64_t references = 0; // FILE_EXTENT items that point to it
};
struct found_run {
    block_number first = 0;
    std::uint64_t blocks = 0;
};

/// All items of an image that are there, each table by key.
struct image_items {
    std::vector<found_inode> inodes;
    std::vector<found_entry> entries;
    std::vector<found_part> parts;
    std::vector<found_extent> extents;
    std::vector<found_run> free_runs;
    std::vector<block_number> nodes; // where the tree leads to, right or wrong; each once
    missing_keys missing;
    bool are_nodes_missing = false; // blocks that are nodes are not in `nodes`

    found_inode* find_inode(inode_number number) noexcept;
    const found_inode* find_inode(inode_number number) const noexcept;
    found_extent* find_extent(block_number first) noexcept;
    const found_entry* find_entry(const tree_key& key) const noexcept;
};

/// Reads at most as many nodes as the image has blocks, and goes no deeper than its root's level.
image_items read_items(metadata_io& io, const superblock& super, std::uint64_t device_blocks,
                       fsck_totals& totals, finding_list& findings);

} // namespace blkcrypto::fsdemo
