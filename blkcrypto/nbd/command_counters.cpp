// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/command_counters.hpp"

#include <cmath>

namespace blkcrypto::nbd {

std::uint64_t latency_buckets::end_of(std::size_t bucket) noexcept {
    const std::size_t next = bucket + 1;
    if (next <= (1U << step_bits))
        return next;
    const std::size_t exponent = (next >> step_bits) - 1;
    const std::uint64_t mantissa = (next & ((1U << step_bits) - 1)) + (1U << step_bits);
    return exponent + step_bits > 63 ? UINT64_MAX : mantissa << exponent;
}

std::uint64_t latency_buckets::quantile_ns(double fraction) const noexcept {
    std::uint64_t total = 0;
    for (const std::uint64_t n : counts_)
        total += n;
    if (total == 0)
        return 0;
    const auto wanted = std::max<std::uint64_t>(
        static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(total))), 1);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        seen += counts_[i];
        if (seen >= wanted)
            return end_of(i);
    }
    return UINT64_MAX;
}

} // namespace blkcrypto::nbd
