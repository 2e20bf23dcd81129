// SPDX-License-Identifier: Apache-2.0
#pragma once
// Spans of raw bytes, and integers in them in a stated byte order.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace blkcrypto {

using bytes_view = std::span<const std::byte>;
using bytes_span = std::span<std::byte>;

static_assert(std::endian::native == std::endian::little || std::endian::native == std::endian::big);

template <typename Integer>
constexpr Integer byte_swapped(Integer value) {
    if constexpr (sizeof(Integer) == 8)
        return static_cast<Integer>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
    else if constexpr (sizeof(Integer) == 2)
        return static_cast<Integer>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
    else
        return static_cast<Integer>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
}

template <typename Integer>
constexpr Integer to_little(Integer value) {
    return std::endian::native == std::endian::little ? value : byte_swapped(value);
}

template <typename Integer>
constexpr Integer to_big(Integer value) {
    return std::endian::native == std::endian::big ? value : byte_swapped(value);
}

template <typename Integer>
Integer load_little(const std::byte* from) {
    Integer value;
    std::memcpy(&value, from, sizeof(value));
    return to_little(value);
}

template <typename Integer>
void store_little(std::byte* to, Integer value) {
    value = to_little(value);
    std::memcpy(to, &value, sizeof(value));
}

template <typename Integer>
Integer load_big(const std::byte* from) {
    Integer value;
    std::memcpy(&value, from, sizeof(value));
    return to_big(value);
}

template <typename Integer>
void store_big(std::byte* to, Integer value) {
    value = to_big(value);
    std::memcpy(to, &value, sizeof(value));
}

} // namespace blkcrypto
