// SPDX-License-Identifier: Apache-2.0
#pragma once
// A 256-bit unsigned integer, only as much of one as data unit numbers and IVs need: add, compare,
// little-endian bytes. Limb 0 is the least significant, as in the kernel's u64 bc_dun[4].

#include "blkcrypto/base/bytes.hpp"

#include <array>
#include <compare>
#include <cstdint>

namespace blkcrypto {

struct uint256 {
    std::array<std::uint64_t, 4> limbs{};

    constexpr uint256() = default;
    constexpr uint256(std::uint64_t low) : limbs{low, 0, 0, 0} {}
    constexpr uint256(std::uint64_t l0, std::uint64_t l1, std::uint64_t l2, std::uint64_t l3)
        : limbs{l0, l1, l2, l3} {}

    /// Adds, wrapping mod 2^256. True if the sum carried out of the top limb.
    constexpr bool add(std::uint64_t value) {
        for (auto& limb : limbs) {
            limb += value;
            if (limb >= value)
                return false;
            value = 1;
        }
        return true;
    }

    constexpr bool operator==(const uint256&) const = default;
    constexpr std::strong_ordering operator<=>(const uint256& other) const {
        for (std::size_t i = limbs.size(); i-- > 0;)
            if (limbs[i] != other.limbs[i])
                return limbs[i] <=> other.limbs[i];
        return std::strong_ordering::equal;
    }

    /// The number of bytes needed to hold the value; 0 needs one.
    constexpr unsigned significant_bytes() const {
        for (unsigned i = 4; i-- > 0;)
            if (limbs[i] != 0)
                return i * 8 + (static_cast<unsigned>(std::bit_width(limbs[i])) + 7) / 8;
        return 1;
    }

    std::array<std::byte, 32> little_endian() const {
        std::array<std::byte, 32> bytes;
        for (std::size_t i = 0; i < limbs.size(); ++i)
            store_little(bytes.data() + 8 * i, limbs[i]);
        return bytes;
    }
};

} // namespace blkcrypto
