// SPDX-License-Identifier: Apache-2.0
#pragma once
// The polynomial of Poly1305 (RFC 8439, 2.5) without the last addition of a key: what Adiantum has of it. A
// message is whole blocks of 16 bytes.
//
// Review note: no branch and no address depends on a key or the data.

#include "blkcrypto/base/bytes.hpp"

namespace blkcrypto {

__extension__ typedef unsigned __int128 uint128;

inline uint128 load_uint128(const std::byte* from) noexcept {
    return load_little<std::uint64_t>(from) | uint128{load_little<std::uint64_t>(from + 8)} << 64;
}

inline void store_uint128(std::byte* to, uint128 value) noexcept {
    store_little(to, static_cast<std::uint64_t>(value));
    store_little(to + 8, static_cast<std::uint64_t>(value >> 64));
}

inline constexpr std::size_t poly1305_key_bytes = 16;

/// The point r at which the polynomial is evaluated, some of its bits cleared.
struct poly1305_key {
    std::uint64_t r0;
    std::uint64_t r1;

    static poly1305_key clamped(const std::byte* bytes) noexcept {
        return {load_little<std::uint64_t>(bytes) & 0x0ffffffc0fffffff,
                load_little<std::uint64_t>(bytes + 8) & 0x0ffffffc0ffffffc};
    }
};

/// h = ((b0 * r + b1) * r + ...) * r modulo 2^130 - 5, each block with a 1 above its 128 bits.
class poly1305 {
  public:
    /// A block as two integers, the low one first.
    void add_block(const poly1305_key& key, std::uint64_t m0, std::uint64_t m1) noexcept {
        const uint128 s0 = uint128{h0_} + m0;
        const uint128 s1 = uint128{h1_} + m1 + static_cast<std::uint64_t>(s0 >> 64);
        multiply(key, static_cast<std::uint64_t>(s0), static_cast<std::uint64_t>(s1),
                 h2_ + 1 + static_cast<std::uint64_t>(s1 >> 64));
    }

    /// h modulo 2^128, after it has been reduced modulo 2^130 - 5.
    uint128 value() const noexcept {
        // h + 5 reaches 2^130 if h is 2^130 - 5 or more: then that, without the top, is h reduced. h is less
        // than twice the modulus.
        const uint128 low = h0_ | uint128{h1_} << 64;
        const uint128 plus_5 = low + 5;
        const std::uint64_t top = h2_ + (plus_5 < 5 ? 1 : 0);
        const uint128 is_beyond = uint128{0} - (top >> 2 != 0 ? 1 : 0);
        return (plus_5 & is_beyond) | (low & ~is_beyond);
    }

  private:
    // (h0 + h1 * 2^64 + h2 * 2^128) * r, where h2 is small. 2^130 is 5, so 2^128 * r1 / 4 is 5/4 * r1; r1 is
    // a multiple of 4.
    void multiply(const poly1305_key& key, std::uint64_t h0, std::uint64_t h1, std::uint64_t h2) noexcept {
        const std::uint64_t r1_5_4 = key.r1 + (key.r1 >> 2);
        const uint128 d0 = uint128{h0} * key.r0 + uint128{h1} * r1_5_4;
        const uint128 d1 = uint128{h0} * key.r1 + uint128{h1} * key.r0 + uint128{h2 * r1_5_4} +
                           static_cast<std::uint64_t>(d0 >> 64);
        const std::uint64_t d2 = h2 * key.r0 + static_cast<std::uint64_t>(d1 >> 64);
        // What is above 2^130, times 5: d2 / 4 * 4 + d2 / 4.
        const std::uint64_t over = (d2 & ~std::uint64_t{3}) + (d2 >> 2);
        const uint128 low =
            (static_cast<std::uint64_t>(d0) | uint128{static_cast<std::uint64_t>(d1)} << 64) + over;
        h0_ = static_cast<std::uint64_t>(low);
        h1_ = static_cast<std::uint64_t>(low >> 64);
        h2_ = (d2 & 3) + (low < over ? 1 : 0);
    }

    std::uint64_t h0_ = 0;
    std::uint64_t h1_ = 0;
    std::uint64_t h2_ = 0; // at most 4
};

} // namespace blkcrypto
