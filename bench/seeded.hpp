// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything that blkbench makes out of its seed: streams of numbers, and what images are filled with. Fast
// and repeatable on every machine. Not random in any sense that matters to a key.

#include "blkcrypto/base/bytes.hpp"

#include <cstdint>

namespace blkcrypto::bench {

/// A bijection whose output looks random (the finalizer of splitmix64).
constexpr std::uint64_t mix64(std::uint64_t value) noexcept {
    value += 0x9e3779b97f4a7c15;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

/// A seed of its own for part `part` of what `seed` is for.
constexpr std::uint64_t sub_seed(std::uint64_t seed, std::uint64_t part) noexcept {
    return mix64(mix64(seed) ^ part);
}

class seeded_numbers {
  public:
    explicit constexpr seeded_numbers(std::uint64_t seed) noexcept : seed_(mix64(seed)) {}

    constexpr std::uint64_t next() noexcept { return mix64(seed_ + count_++); }

    /// From 0 to bound - 1; the bound is not 0.
    constexpr std::uint64_t below(std::uint64_t bound) noexcept {
        return static_cast<std::uint64_t>((static_cast<uint128>(next()) * bound) >> 64);
    }

  private:
    __extension__ typedef unsigned __int128 uint128;
    std::uint64_t seed_;
    std::uint64_t count_ = 0;
};

/// What images hold: any piece of it can be made without the rest. `offset_bytes` and the length are
/// multiples of 8.
void fill_content(std::uint64_t seed, std::uint64_t offset_bytes, bytes_span into) noexcept;

} // namespace blkcrypto::bench
