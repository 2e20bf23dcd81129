// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file that is open: what is known of it without looking at the tree, shared by all who have it open (an
// in-core inode, with its fscrypt_inode_info). Made and closed by demo_fs; its I/O is fs_queue's.

#include "blkcrypto/block/range_lock.hpp"
#include "fsdemo/file_crypt_info.hpp"
#include "fsdemo/file_extents.hpp"

#include <optional>
#include <vector>

namespace blkcrypto::fsdemo {

/// The parts of a file that were looked up last, so that I/O need not look into the tree. A fixed number of
/// places at most; when they are all taken it begins anew.
class part_cache {
  public:
    /// Null: not known.
    const file_part* find(std::uint64_t at_bytes) const noexcept;
    /// Throws bad_alloc.
    const file_part& add(const file_part& part);
    void clear() noexcept { parts_.clear(); }

  private:
    static constexpr std::size_t parts_max = 512;
    std::vector<file_part> parts_; // by place in the file
};

class open_file {
  public:
    open_file(inode_number number, const inode_item& item);

    inode_number number() const noexcept { return number_; }
    std::uint64_t size_bytes() const noexcept { return item_.size_bytes; }
    const inode_item& item() const noexcept { return item_; }
    bool is_encrypted() const noexcept { return crypt_.has_value(); }

  private:
    friend class demo_fs;
    friend class fs_queue;
    friend class file_job;

    const inode_number number_;
    inode_item item_; // as in the tree
    unsigned opens_ = 0;
    std::optional<file_crypt_info> crypt_; // of an encrypted file
    part_cache parts_;
    range_lock ranges_;
};

} // namespace blkcrypto::fsdemo
