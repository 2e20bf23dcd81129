// SPDX-License-Identifier: Apache-2.0
#pragma once
// What clients have asked for, and how long it took: per command, kept by one thread for all its connections,
// added up by whoever is asked for statistics.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace blkcrypto::nbd {

/// Times in buckets that are a quarter of a power of two wide: quantiles to within 25 %.
class latency_buckets {
  public:
    void add(std::uint64_t ns) noexcept { ++counts_[bucket_of(ns)]; }
    void add(const latency_buckets& other) noexcept {
        for (std::size_t i = 0; i < counts_.size(); ++i)
            counts_[i] += other.counts_[i];
    }

    /// The upper end of the bucket that `fraction` of all times, 0 to 1, do not lie above. 0 without any.
    std::uint64_t quantile_ns(double fraction) const noexcept;

  private:
    static constexpr unsigned step_bits = 2; // buckets per power of two, as bits
    static constexpr std::size_t count = 64 << step_bits;

    static std::size_t bucket_of(std::uint64_t ns) noexcept {
        if (ns < (1U << step_bits))
            return ns;
        const auto exponent = static_cast<unsigned>(std::bit_width(ns)) - 1 - step_bits;
        return (std::size_t{exponent} << step_bits) + static_cast<std::size_t>(ns >> exponent);
    }
    static std::uint64_t end_of(std::size_t bucket) noexcept;

    std::array<std::uint64_t, count> counts_{};
};

struct command_counter {
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0; // of those that went well
    std::uint64_t errors = 0;
    latency_buckets latency; // from when all of it was there and there was room for it, to its outcome

    void add(const command_counter& other) noexcept {
        requests += other.requests;
        bytes += other.bytes;
        errors += other.errors;
        latency.add(other.latency);
    }
};

/// Indexed by command, by its number in the protocol.
struct command_counters {
    static constexpr std::array<std::string_view, 8> names{"read", "write", "disc",         "flush",
                                                           "trim", "cache", "write_zeroes", "block_status"};
    std::array<command_counter, names.size()> of;
    std::uint64_t flush_failures = 0; // what was written may be missing on the medium since

    void add(const command_counters& other) noexcept {
        for (std::size_t i = 0; i < of.size(); ++i)
            of[i].add(other.of[i]);
        flush_failures += other.flush_failures;
    }
};

} // namespace blkcrypto::nbd
