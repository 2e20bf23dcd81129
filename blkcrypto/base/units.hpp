// SPDX-License-Identifier: Apache-2.0
#pragma once
// The integers people confuse, each as a type of its own: a position or length in 512-byte sectors, a number
// of bytes, an index of a keyslot, and the data unit size (a power of two that was checked once). Everything
// else is a plain integer whose name ends in its unit. Conversions are named and say what they do with a
// remainder.

#include "blkcrypto/base/result.hpp"

#include <bit>
#include <cassert>
#include <cerrno>
#include <compare>
#include <cstdint>

namespace blkcrypto {

template <typename Tag, typename Rep>
struct strong_integer {
    Rep value{};
    constexpr auto operator<=>(const strong_integer&) const = default;
};

using sector = strong_integer<struct sector_tag, std::uint64_t>;
using byte_count = strong_integer<struct byte_count_tag, std::uint64_t>;
using keyslot_index = strong_integer<struct keyslot_index_tag, std::uint32_t>;

inline constexpr unsigned sector_bits = 9;
inline constexpr std::uint32_t sector_size_bytes = 1U << sector_bits;

constexpr byte_count to_bytes(sector s) {
    return {s.value << sector_bits};
}

constexpr bool is_whole_sectors(byte_count bytes) {
    return bytes.value % sector_size_bytes == 0;
}

/// Exact: the byte count must be whole sectors.
constexpr sector to_sectors_exact(byte_count bytes) {
    assert(is_whole_sectors(bytes));
    return {bytes.value >> sector_bits};
}

/// Rounds down: a trailing part of a sector does not count.
constexpr sector to_sectors_floor(byte_count bytes) {
    return {bytes.value >> sector_bits};
}

/// The size of a data unit: the piece of data that is encrypted on its own, under one IV. A power of two from
/// 512 to 65536 bytes. The kernel's blk_crypto_init_key() accepts any power of two and leaves the range to
/// the capability masks; every mask there starts at 512, and bounding it here bounds the memory a unit can
/// need.
class data_unit_size {
  public:
    static constexpr std::uint32_t min_bytes = 512;
    static constexpr std::uint32_t max_bytes = 65536;

    /// EINVAL unless `bytes` is a power of two within the bounds.
    static result<data_unit_size> make(std::uint64_t bytes) {
        if (!std::has_single_bit(bytes) || bytes < min_bytes || bytes > max_bytes)
            return make_error(EINVAL);
        return data_unit_size(static_cast<std::uint32_t>(bytes));
    }

    constexpr std::uint32_t bytes() const { return bytes_; }
    constexpr unsigned bits() const { return static_cast<unsigned>(std::countr_zero(bytes_)); }
    constexpr bool divides(std::uint64_t length_bytes) const { return (length_bytes & (bytes_ - 1)) == 0; }
    /// Rounds down.
    constexpr std::uint64_t units_in(std::uint64_t length_bytes) const { return length_bytes >> bits(); }

    constexpr auto operator<=>(const data_unit_size&) const = default;

  private:
    explicit constexpr data_unit_size(std::uint32_t bytes) : bytes_(bytes) {}
    std::uint32_t bytes_;
};

} // namespace blkcrypto
