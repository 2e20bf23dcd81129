// SPDX-License-Identifier: Apache-2.0
#pragma once
// An image in memory, made through demo_fs, and ways to put exactly one wrong thing on it: through the tree,
// which knows nothing of what items mean, or into the bytes of a node or superblock, whose checksum is then
// right again.

#include "blkcrypto/dev/memory_device.hpp"
#include "fsdemo/fsck.hpp"
#include "fsdemo/node.hpp"
#include "tests/fsdemo/fs_rig.hpp"

#include <functional>

namespace blkcrypto::test {

std::string numbered(std::string_view name, int number);

class fsck_rig {
  public:
    explicit fsck_rig(std::uint64_t blocks);

    /// Calls `work` with the filesystem mounted and a master key in it; syncs.
    void with_fs(const std::function<void(fsdemo::demo_fs&, const fsdemo::key_identifier&)>& work);
    /// The same with its metadata alone; commits.
    void with_volume(const std::function<void(fsdemo::volume&)>& work);

    fsdemo::superblock super() const;
    void edit_super(const std::function<void(fsdemo::superblock&)>& edit);
    fsdemo::block_bytes_span at(fsdemo::block_number block);
    fsdemo::node node_at(fsdemo::block_number block);
    void edit_node(fsdemo::block_number block, const std::function<void(fsdemo::node&)>& edit);

    /// The nodes on the way to where a key is or would be, the root first.
    std::vector<fsdemo::block_number> way_to(const fsdemo::tree_key& key);
    fsdemo::block_number leaf_of(const fsdemo::tree_key& key) { return way_to(key).back(); }
    /// The item's bytes in the node, to be changed.
    void edit_item(const fsdemo::tree_key& key, const std::function<void(bytes_span)>& edit);
    std::vector<fsdemo::block_number> all_nodes();
    /// All keys of a type.
    std::vector<fsdemo::tree_key> keys_of(fsdemo::item_type type);

    fsdemo::fsck_report check(std::size_t max_findings = 1000);

    std::vector<std::byte> image;
    std::unique_ptr<block_device> device;
    simulated_env e{1};

  private:
    fs_stack stack_;
};

/// Plain and encrypted files with holes, reflinks and overwritten parts; directories; several commits.
struct sample {
    explicit sample(fsck_rig& on);

    fsdemo::inode_number plain = 0;     // parts at 0 (4 blocks, shared), 8 .. 10; a hole between
    fsdemo::inode_number twin = 0;      // shares the extents of `plain`
    fsdemo::inode_number directory = 0; // "/dir"
    fsdemo::inode_number below = 0;     // "/dir/below", a directory
    fsdemo::inode_number vault = 0;     // "/vault", encrypted
    fsdemo::inode_number secret = 0;    // in it; parts at 0 (4 blocks), 8 .. 10
    fsdemo::inode_number unwritten = 0; // in it, without data
    fsdemo::inode_number stray = 0;     // encrypted and without data, in "/"
};

} // namespace blkcrypto::test
