// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is written in a round: for each place the same bytes whoever writes there, so that all strategies
// leave the same image. They lie ready in memory; a write takes its piece of it and costs the timed loop
// nothing.

#include "bench/io_buffers.hpp"
#include "bench/seeded.hpp"

namespace blkcrypto::bench {

class round_contents {
  public:
    /// What the image holds before the first round.
    static constexpr std::uint64_t laid_out = ~std::uint64_t{0};

    /// `piece_bytes`: of a write. Throws bad_alloc.
    round_contents(std::uint64_t seed, std::uint64_t round, std::uint32_t piece_bytes);

    /// For a queue that wants to know the memory. It is not to be written to.
    bytes_span all() const noexcept { return memory_.all(); }
    /// For the extent with that key id. Aligned to 64 bytes.
    bytes_span of(std::uint64_t key) const noexcept {
        seeded_numbers place(sub_seed(seed_, key));
        return all().subspan(place.below(places) * place_bytes, piece_bytes_);
    }

  private:
    static constexpr std::size_t place_bytes = 64;
    static constexpr std::size_t places = (4 << 20) / place_bytes;

    const std::uint64_t seed_;
    const std::uint32_t piece_bytes_;
    io_buffers memory_;
};

} // namespace blkcrypto::bench
