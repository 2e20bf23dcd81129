// SPDX-License-Identifier: Apache-2.0
#pragma once
// A transfer between a bio's memory and a file: where it has got to, and the memory of the next call as the
// kernel wants it. Used by file_request.

#include "blkcrypto/block/bio.hpp"
#include "blkcrypto/dev/image_file.hpp"

#include <array>
#include <span>
#include <sys/uio.h>

namespace blkcrypto {

/// Where a bio's transfer has got to. In bytes, unlike bvec_iter: the kernel may stop anywhere.
struct transfer_place {
    std::uint64_t offset_bytes = 0;
    std::uint32_t left_bytes = 0;
    std::uint32_t index = 0;      // of the current segment
    std::uint32_t done_bytes = 0; // of the current segment

    static transfer_place start_of(const bio& b) noexcept {
        return {to_bytes(b.iter.start).value, b.iter.size_bytes, b.iter.index, b.iter.done_bytes};
    }

    /// The rest of the current segment, cut to what is left; for write_zeroes, which brings no memory, zeros.
    bio_vec current(const bio& b) const noexcept;
    void advance(std::span<const bio_vec> segments, std::uint32_t bytes) noexcept;

    /// From the bio's memory at this place to `target`, and from `source` to it.
    void copy_out(const bio& b, bytes_span target) const noexcept;
    void copy_in(const bio& b, bytes_view source) const noexcept;
};

/// The memory of the bio is such that the file can be read into it, or written from it, past the page cache.
bool is_aligned(const bio& b, const image_file& file) noexcept;

/// The memory of one call. Segments that follow each other in memory are one.
class iovec_list {
  public:
    /// As much of what is left of the bio as fits. Valid until the next time.
    std::span<const iovec> gather(const bio& b, transfer_place from) noexcept;

    /// The registered buffer of all the memory; only for a single iovec.
    buffer_id buffer() const noexcept { return count_ == 1 ? buffer_ : unregistered_buffer; }

  private:
    static constexpr unsigned iovecs_max = 64; // a bio with more takes several calls

    bool add(const bio_vec& segment) noexcept;

    unsigned count_ = 0;
    buffer_id buffer_ = unregistered_buffer; // of the last iovec
    const std::byte* end_ = nullptr;         // of the last iovec
    std::array<iovec, iovecs_max> iovecs_;
};

} // namespace blkcrypto
