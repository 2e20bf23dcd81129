// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long I/Os took, as counts in buckets whose width grows with the value: 128 buckets for each power of
// two, so that a value read back is less than 1/128 off (the scheme of fio's and HdrHistogram's). Recording
// allocates nothing; one per job, added up afterwards.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace blkcrypto::bench {

class latency_histogram {
  public:
    void record(std::uint64_t ns) noexcept {
        ++counts_[bucket_of(ns)];
        ++total_;
    }

    std::uint64_t total() const noexcept { return total_; }

    /// The value that `fraction` (0 to 1) of all values do not exceed, as the middle of its bucket; 0 if
    /// there are none.
    std::uint64_t percentile(double fraction) const noexcept;

    latency_histogram& operator+=(const latency_histogram& other) noexcept;

  private:
    static constexpr unsigned precision_bits = 7;
    static constexpr std::size_t buckets_per_octave = std::size_t{1} << precision_bits;
    // Values below 2 x 128 have a bucket each; every further power of two has 128.
    static constexpr std::size_t bucket_count = (64 - precision_bits + 1) * buckets_per_octave;

    // How many low bits of a value its bucket does not tell.
    static constexpr unsigned dropped_bits(std::uint64_t value) noexcept {
        const auto width = static_cast<unsigned>(std::bit_width(value));
        return width <= precision_bits + 1 ? 0 : width - (precision_bits + 1);
    }
    static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
        const unsigned dropped = dropped_bits(value);
        return dropped * buckets_per_octave + static_cast<std::size_t>(value >> dropped);
    }
    static std::uint64_t middle_of(std::size_t bucket) noexcept;

    std::array<std::uint64_t, bucket_count> counts_{};
    std::uint64_t total_ = 0;
};

} // namespace blkcrypto::bench
