// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the data of files is: the FILE_EXTENT items of a file, and the EXTENT items they point to, each of
// which counts its references. An extent's blocks are retired with its last reference. Functions over a
// volume; those that change it fail half-way only with errors that make the volume fail.

#include "fsdemo/volume.hpp"

#include <vector>

namespace blkcrypto::fsdemo {

/// A stretch of a file: a part of one extent, or a hole.
struct file_part {
    std::uint64_t begin_bytes = 0; // in the file
    std::uint64_t end_bytes = 0;
    block_number extent = 0;        // its first block; 0: a hole
    std::uint64_t offset_bytes = 0; // of the part's beginning in the extent
    extent_item item;               // the extent's

    bool is_hole() const noexcept { return extent == 0; }
    /// Of a byte of the file that is in it.
    std::uint64_t offset_in_extent(std::uint64_t at_bytes) const noexcept {
        return offset_bytes + (at_bytes - begin_bytes);
    }
    std::uint64_t physical_bytes(std::uint64_t at_bytes) const noexcept {
        return (extent << block_bits) + offset_in_extent(at_bytes);
    }
};

/// The stretch of the file that has the byte at `at_bytes` in it; a hole reaches to the next part. EUCLEAN.
result<file_part> find_part(volume& v, inode_number inode, std::uint64_t at_bytes);

/// All parts of a file, without the holes, in order.
result<std::vector<file_part>> all_parts(volume& v, inode_number inode);

/// Blocks that were just written become the part of the file at `at_bytes`, in place of what was there; they
/// are an extent of their own.
std::error_code put_extent(volume& v, inode_number inode, std::uint64_t at_bytes, const block_run& blocks,
                           const std::optional<std::array<std::byte, extent_context_size_bytes>>& context);

/// The last part of a file; nothing: it has none.
struct part_range {
    std::uint64_t begin_bytes;
    std::uint64_t length_bytes;

    std::uint64_t end_bytes() const noexcept { return begin_bytes + length_bytes; }
};
result<std::optional<part_range>> last_part(volume& v, inode_number inode);

/// Takes [begin, end) out of the file: whole blocks.
std::error_code remove_parts(volume& v, inode_number inode, std::uint64_t begin_bytes,
                             std::uint64_t end_bytes);

/// EOVERFLOW: an extent has as many references as there can be.
std::error_code check_sharable(std::span<const file_part> parts) noexcept;
/// `to`, which has no parts, gets these, of another file.
std::error_code share_parts(volume& v, std::span<const file_part> parts, inode_number to);

} // namespace blkcrypto::fsdemo
