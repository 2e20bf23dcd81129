// SPDX-License-Identifier: Apache-2.0
#pragma once
// The metadata of an image as a whole: the superblocks, the tree, free space, and the step from one durable
// state to the next. What the items mean is for those above: directory, file_extents, demo_fs.
//
// Changes gather in memory until commit(). One that fails half-way leaves memory without a meaning: fail()
// then makes all that follows fail, and the image keeps its last state. For one thread. May throw
// std::bad_alloc.

#include "fsdemo/btree.hpp"
#include "fsdemo/space.hpp"

#include <string>
#include <unordered_set>

namespace blkcrypto::fsdemo {

struct volume_options {
    bool read_only = false;
    std::size_t nodes_max = 2048; // kept in memory beside those that were changed: 8 MiB
};

class volume {
  public:
    /// Makes an empty filesystem of as many whole blocks as the device has, up to 1 TiB. EINVAL: fewer than
    /// 64. Errors of the device.
    static std::error_code format(block_device& device, env& e, const filesystem_uuid& uuid);

    /// EMEDIUMTYPE: not an fsdemo image. EUCLEAN: a damaged one, or shorter than it says. EOPNOTSUPP: with
    /// features that are not known. EROFS: likewise, and to be written. Errors of the device. `why` says
    /// more.
    static result<std::unique_ptr<volume>> open(block_device& device, env& e, const volume_options& options,
                                                std::string& why);

    const superblock& super() const noexcept { return super_; }
    btree& tree() noexcept { return tree_; }
    space& room() noexcept { return space_; }
    node_store& nodes() noexcept { return nodes_; }

    /// What was found to be wrong with metadata last.
    const std::string& trouble() const noexcept { return nodes_.trouble(); }
    /// EUCLEAN, and trouble() is that `key`'s item is wrong.
    std::error_code bad_item(const tree_key& key);

    /// Below inode_numbers_max: may_change() has looked.
    /// How many nodes at most are changed with the EXTENT items of so many parts of files.
    std::uint64_t nodes_of_parts(std::uint64_t parts) const noexcept;

    inode_number take_inode_number() noexcept { return super_.next_inode++; }

    /// The extent has lost a reference since the last commit, and has others left: in the last state it is
    /// shared, and must not be written in place.
    void note_unshared(block_number extent) { unshared_.insert(extent); }
    bool was_shared(block_number extent) const noexcept { return unshared_.contains(extent); }

    enum class room_for : std::uint8_t {
        more, // leaves enough to take something away
        less
    };
    /// Before anything is changed: EROFS; EIO after fail(); ENOSPC if `data_blocks` beside what a commit may
    /// need are not there. What changes more than a few items says how many blocks that may take as well.
    std::error_code may_change(room_for what, std::uint64_t data_blocks = 0) const noexcept;
    /// Runs one, after may_change(): whatever error it returns, or no memory, fails the volume.
    template <typename Change>
    std::error_code change(Change&& make) {
        if (has_failed_)
            return make_error(EIO);
        const std::error_code error = or_no_memory(make);
        return error ? fail(error) : error;
    }
    /// A change has failed half-way. Returns `error`.
    std::error_code fail(std::error_code error) noexcept;
    bool has_failed() const noexcept { return has_failed_; }
    std::error_code may_read() const noexcept { return make_error(has_failed_ ? EIO : 0); }
    /// Data in place, which changes no metadata and takes no room: EROFS; EIO after fail().
    std::error_code may_write() const noexcept {
        return make_error(has_failed_ ? EIO : read_only_ ? EROFS : 0);
    }

    /// A change of anything moves the root. Nodes may be no measure: where a leaf went with its last item,
    /// none has to be left that was changed.
    bool has_changed() const noexcept { return tree_.root().block != super_.root.block; }
    /// Makes the state in memory the durable one; a flush where nothing has changed. All data it refers to
    /// has been written. After an error, ENOMEM among them, it has failed.
    std::error_code commit();

  private:
    volume(std::unique_ptr<metadata_io> io, const superblock& super, const volume_options& options)
        : io_(std::move(io)), super_(super), read_only_(options.read_only),
          nodes_(*io_, super.uuid, super.blocks, options.nodes_max),
          tree_(nodes_, super.root, super.root_level), space_(tree_, super.blocks, super.free_blocks) {}
    std::error_code place_nodes();
    std::error_code write_state();
    std::uint64_t commit_needs() const noexcept;

    std::unique_ptr<metadata_io> io_;
    superblock super_;
    const bool read_only_;
    bool has_failed_ = false;
    std::unordered_set<block_number> unshared_; // extents, by their first blocks
    node_store nodes_;
    btree tree_;
    space space_;
};

} // namespace blkcrypto::fsdemo
