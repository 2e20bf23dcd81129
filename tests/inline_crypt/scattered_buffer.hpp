// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory of a bio: segments of random lengths that lie in memory in random order and unaligned, so that
// nothing depends on one following the other.

#include "blkcrypto/block/bio.hpp"
#include "tests/support/random_bytes.hpp"

#include <vector>

namespace blkcrypto::test {

class scattered_buffer {
  public:
    /// All segments but the last are a multiple of `granule_bytes`, which divides `size_bytes`.
    scattered_buffer(std::size_t size_bytes, std::uint32_t granule_bytes, random_source& random);

    std::span<const bio_vec> segments() const noexcept { return segments_; }
    std::uint32_t size_bytes() const noexcept { return size_bytes_; }

    void write(bytes_view data) noexcept;
    std::vector<std::byte> read() const;

  private:
    std::uint32_t size_bytes_;
    std::vector<std::byte> memory_;
    std::vector<bio_vec> segments_;
};

} // namespace blkcrypto::test
