// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/volume.hpp"

#include "fsdemo/superblocks.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr int rounds_max = 1000; // of placing nodes, on a damaged image too

// Of 139: a leaf is a third full, or between two that are.
constexpr std::uint64_t free_items_in_leaf_min = 139 / 6;

constexpr std::uint64_t blocks_of(const block_device& device) {
    return std::min(to_bytes(device.capacity()).value >> block_bits, blocks_max);
}

/// The root of an empty filesystem: its directory and all its free space.
void make_first_root(node& root, const superblock& super) {
    root.init(0);
    root.insert_item(0, inode_key(root_inode), encode(inode_item{inode_kind::directory, 0, root_inode, {}}));
    root.insert_item(1, free_key(super.root.block + 1), encode(free_item{super.free_blocks}));
    root.seal(super.root, super.uuid);
}

std::error_code check_features(const superblock& super, bool read_only, std::string& why) {
    if (super.incompatible != feature_per_extent_keys) {
        why = "it has features that are not known here";
        return make_error(EOPNOTSUPP);
    }
    if (super.read_only_compatible != 0 && !read_only) {
        why = "it has features that are not known here: it can only be read";
        return make_error(EROFS);
    }
    return {};
}

} // namespace

// --- making and opening ---

std::error_code volume::format(block_device& device, env& e, const filesystem_uuid& uuid) {
    superblock super;
    super.uuid = uuid;
    super.generation = 1;
    super.blocks = blocks_of(device);
    if (super.blocks < blocks_min)
        return make_error(EINVAL);
    super.root = {superblock_count, super.generation};
    super.next_inode = root_inode + 1;
    super.free_blocks = super.blocks - superblock_count - 1;
    auto io = metadata_io::make(device, e);
    if (!io)
        return io.error();
    const auto nothing = std::make_unique<block_buffer>();
    const auto root = std::make_unique<node>();
    make_first_root(*root, super);
    const std::array<block_write, 3> writes{block_write{0, nothing->bytes}, block_write{1, nothing->bytes},
                                            block_write{super.root.block, root->bytes()}};
    if (const std::error_code error = (*io)->write(writes))
        return error;
    if (const std::error_code error = (*io)->flush())
        return error;
    const auto block = std::make_unique<block_buffer>();
    encode(super, block->bytes);
    return (*io)->write_fua({super.generation % superblock_count, block->bytes});
}

result<std::unique_ptr<volume>> volume::open(block_device& device, env& e, const volume_options& options,
                                             std::string& why) {
    auto io = metadata_io::make(device, e);
    if (!io)
        return io.error();
    if (blocks_of(device) < superblock_count) {
        why = "too short for a superblock";
        return make_error(EMEDIUMTYPE);
    }
    const superblock_copies copies = read_superblocks(**io);
    const auto newest = newest_superblock(copies, why);
    if (!newest)
        return newest.error();
    // It might be the newer one, whose state would be overwritten.
    const superblock_copy& other = copies[1 - *newest];
    if (other.error && !options.read_only) {
        why = "one of its superblocks cannot be read: it can only be read";
        return other.error;
    }
    const std::optional<superblock>& super = copies[*newest].super;
    if (super->blocks > blocks_of(device)) {
        why = "it has " + std::to_string(super->blocks) + " blocks, and only " +
              std::to_string(blocks_of(device)) + " are there";
        return make_error(EUCLEAN);
    }
    if (const std::error_code error = check_features(*super, options.read_only, why))
        return error;
    return std::unique_ptr<volume>(new volume(std::move(*io), *super, options));
}

std::error_code volume::bad_item(const tree_key& key) {
    nodes_.set_trouble("the item (" + std::to_string(static_cast<unsigned>(key.type)) + ", " +
                       std::to_string(key.object) + ", " + std::to_string(key.offset) + ") is wrong");
    return make_error(EUCLEAN);
}

// --- changing ---

// Nodes that were changed need blocks. So do those that list what becomes free, the old blocks of changed
// nodes among it: each piece may belong into a leaf that has not been changed yet, of which there are no more
// than the free blocks there are make items for, and all of them together fill leaves. What is above these,
// and the next step on the tree, is little.
std::uint64_t volume::commit_needs() const noexcept {
    const std::uint64_t changed = nodes_.changed_count();
    const std::uint64_t pieces = changed + space_.retired_pieces();
    const std::uint64_t leaves_there = space_.free_blocks() / free_items_in_leaf_min + 1;
    const std::uint64_t listing = std::min(pieces, leaves_there) + pieces / free_items_in_leaf_min + 1;
    return changed + listing + listing / 16 + 4 * (tree_.root_level() + 2);
}

// Each part's extent may be in a leaf of its own, of which there are no more than what is used has items for.
std::uint64_t volume::nodes_of_parts(std::uint64_t parts) const noexcept {
    constexpr std::uint64_t items_in_leaf_min = 20;
    const std::uint64_t leaves_there = (super_.blocks - space_.free_blocks()) / items_in_leaf_min + 1;
    return std::min(parts, leaves_there) + parts / items_in_leaf_min + 1;
}

std::error_code volume::may_change(room_for what, std::uint64_t data_blocks) const noexcept {
    if (const std::error_code error = may_write())
        return error;
    const std::uint64_t kept = commit_needs() * (what == room_for::more ? 2 : 1);
    const std::uint64_t free = space_.free_blocks();
    return make_error(free < kept || free - kept < data_blocks ? ENOSPC : 0);
}

std::error_code volume::fail(std::error_code error) noexcept {
    has_failed_ = true;
    return error;
}

std::error_code volume::commit() {
    if (has_failed_)
        return make_error(EIO);
    if (!has_changed() && read_only_)
        return {};
    if (!has_changed()) {
        const std::error_code error = io_->flush();
        return error ? fail(error) : error;
    }
    return change([this] {
        const std::error_code error = place_nodes();
        return error ? error : write_state();
    });
}

// Listing what is free changes nodes, which need blocks, whose old ones become free: until nothing is left.
std::error_code volume::place_nodes() {
    std::vector<block_number> blocks;
    for (int round = 0; round < rounds_max; ++round) {
        for (const block_number block : nodes_.take_retired())
            space_.retire({block, 1});
        if (space_.is_listed() && nodes_.unplaced_count() == 0)
            return {};
        if (const std::error_code error = space_.list_all())
            return error;
        blocks.clear();
        if (const std::error_code error = space_.take_for_nodes(nodes_.unplaced_count(), blocks))
            return error;
        for (std::size_t i = nodes_.place(blocks); i < blocks.size(); ++i)
            space_.retire({blocks[i], 1});
    }
    nodes_.set_trouble("free space does not settle");
    return make_error(EIO);
}

std::error_code volume::write_state() {
    superblock next = super_;
    ++next.generation;
    next.root = nodes_.placed(tree_.root(), next.generation);
    next.root_level = static_cast<std::uint8_t>(tree_.root_level());
    next.free_blocks = space_.listed_blocks();
    if (const std::error_code error = nodes_.write_changed(next.generation))
        return error;
    if (const std::error_code error = io_->flush())
        return error;
    const auto block = std::make_unique<block_buffer>();
    encode(next, block->bytes);
    if (const std::error_code error = io_->write_fua({next.generation % superblock_count, block->bytes}))
        return error;
    super_ = next;
    unshared_.clear();
    tree_.set_root(next.root);
    nodes_.settle(next.generation);
    space_.settle();
    return {};
}

} // namespace blkcrypto::fsdemo
