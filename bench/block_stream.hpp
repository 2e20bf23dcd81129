// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which block a job of the workload does next: arithmetic over the seed, nothing else. The same job in the
// same round has the same stream on every path.

#include "bench/block_io.hpp"
#include "bench/seeded.hpp"

#include <array>
#include <string_view>

namespace blkcrypto::bench {

enum class access_pattern { read, write, randread, randwrite, randrw };
inline constexpr std::array<std::string_view, 5> access_pattern_names{"read", "write", "randread",
                                                                      "randwrite", "randrw"};

constexpr bool is_sequential(access_pattern pattern) {
    return pattern == access_pattern::read || pattern == access_pattern::write;
}

struct workload_options {
    access_pattern pattern = access_pattern::randrw;
    unsigned read_percent = 50; // of randrw
    std::uint32_t block_bytes = 4096;
    unsigned depth = 32;
    bool nomerges = false; // each bio is a request of its own
    unsigned jobs = 1;
    std::uint64_t seed = 0;
};

/// The last block of an image may be shorter.
std::uint64_t count_blocks(std::uint64_t size_bytes, std::uint32_t block_bytes);

class block_stream {
  public:
    struct step {
        bio_op op;
        image_block block;
    };

    /// A sequential job goes round in its own contiguous part, from a place that the seed and the round
    /// choose; there are no more such jobs than blocks.
    block_stream(const workload_options& options, std::uint64_t size_bytes, unsigned job, unsigned round);

    step next() noexcept;

  private:
    bio_op next_op() noexcept;
    std::uint64_t next_index() noexcept;

    access_pattern pattern_;
    unsigned read_percent_;
    std::uint32_t block_bytes_;
    std::uint64_t size_bytes_;
    std::uint64_t first_ = 0; // of the part's blocks
    std::uint64_t count_;
    std::uint64_t position_ = 0; // of a sequential job, within its part
    seeded_numbers numbers_;
};

} // namespace blkcrypto::bench
