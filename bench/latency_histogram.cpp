// SPDX-License-Identifier: Apache-2.0
#include "bench/latency_histogram.hpp"

#include <algorithm>
#include <cmath>

namespace blkcrypto::bench {

std::uint64_t latency_histogram::middle_of(std::size_t bucket) noexcept {
    static_assert(bucket_of(~std::uint64_t{0}) == bucket_count - 1);
    if (bucket < 2 * buckets_per_octave)
        return bucket;
    const std::size_t dropped = bucket / buckets_per_octave - 1;
    const std::uint64_t leading = bucket - dropped * buckets_per_octave;
    return (leading << dropped) + (std::uint64_t{1} << (dropped - 1));
}

std::uint64_t latency_histogram::percentile(double fraction) const noexcept {
    if (total_ == 0)
        return 0;
    const auto wanted = static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(total_)));
    const std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, total_);
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    for (; bucket < bucket_count; ++bucket) {
        seen += counts_[bucket];
        if (seen >= rank)
            break;
    }
    return middle_of(bucket);
}

latency_histogram& latency_histogram::operator+=(const latency_histogram& other) noexcept {
    for (std::size_t i = 0; i < bucket_count; ++i)
        counts_[i] += other.counts_[i];
    total_ += other.total_;
    return *this;
}

} // namespace blkcrypto::bench
