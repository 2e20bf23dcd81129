// SPDX-License-Identifier: Apache-2.0
#pragma once
// SM4's S-box by instructions that were made for AES, or for Galois fields in general, without a table in
// memory. GB/T 32907-2016 gives it as a table; it is A(1 / A(x)), where A is an affine map and 1/x the
// inverse in a field of 256 elements (0 stays 0), as Liu et al. found ("Analysis of the SMS4 Block Cipher",
// 2007). All such fields are alike: with another affine map before and after, it can be the inverse of AES's
// field, which GF2P8AFFINEINVQB and AESENCLAST compute. What those maps are is below, and that they are right
// is checked by the compiler.

#include <array>
#include <cstddef>
#include <cstdint>

namespace blkcrypto::sm4 {

/// y = matrix * x + added: row i of the matrix gives bit i of y, as in GF2P8AFFINEQB: it is the byte 7 - i of
/// the matrix.
struct affine_map {
    std::uint64_t matrix;
    std::uint8_t added;

    constexpr std::uint8_t operator()(std::uint8_t x) const {
        std::uint8_t y = added;
        for (unsigned i = 0; i < 8; ++i) {
            std::uint8_t row = static_cast<std::uint8_t>(matrix >> (8 * (7 - i)) & x);
            for (; row != 0; row = static_cast<std::uint8_t>(row & (row - 1)))
                y = static_cast<std::uint8_t>(y ^ 1U << i);
        }
        return y;
    }
};

/// S-box(x) = after_inverse(1 / before_inverse(x)) in AES's field, x^8 + x^4 + x^3 + x + 1.
inline constexpr affine_map before_inverse{0x4c287db91a22505d, 0x3e};
inline constexpr affine_map after_inverse{0xf3ab34a974a6b589, 0xd3};

/// A byte-wise map as two tables of 16 bytes: map(x) = low[x % 16] ^ high[x / 16].
struct nibble_tables {
    std::array<std::uint8_t, 16> low;
    std::array<std::uint8_t, 16> high;
};

/// In the field of 256 elements with that polynomial.
constexpr std::uint8_t multiply(std::uint8_t a, std::uint8_t b, unsigned polynomial) {
    unsigned product = 0;
    for (unsigned bit = 8; bit-- > 0;) {
        product = product << 1 ^ ((product & 0x80) != 0 ? polynomial : 0);
        product ^= (unsigned{a} >> bit & 1) * unsigned{b};
    }
    return static_cast<std::uint8_t>(product);
}

/// Its inverse there; 0 of 0. That is x^254 = x^2 * x^4 * ... * x^128.
constexpr std::uint8_t invert(std::uint8_t x, unsigned polynomial) {
    std::uint8_t power = 1;
    for (unsigned i = 0; i < 7; ++i) {
        x = multiply(x, x, polynomial);
        power = multiply(power, x, polynomial);
    }
    return power;
}

/// The affine map of AES's S-box, undone: what AESENCLAST does after the inverse.
constexpr std::uint8_t undo_aes_map(std::uint8_t y) {
    const auto rotated = [y](unsigned bits) { return y << bits | y >> (8 - bits); };
    return static_cast<std::uint8_t>(rotated(1) ^ rotated(3) ^ rotated(6) ^ 0x05);
}

template <typename Map>
constexpr nibble_tables make_nibble_tables(Map map) {
    nibble_tables tables{};
    for (unsigned i = 0; i < 16; ++i) {
        tables.low[i] = map(static_cast<std::uint8_t>(i));
        tables.high[i] = static_cast<std::uint8_t>(map(static_cast<std::uint8_t>(i << 4)) ^ map(0));
    }
    return tables;
}

/// S-box(x) = after_aes(AES's S-box(before_aes(x))).
inline constexpr nibble_tables before_aes = make_nibble_tables(before_inverse);
inline constexpr nibble_tables after_aes =
    make_nibble_tables([](std::uint8_t y) { return after_inverse(undo_aes_map(y)); });

/// The maps against the field and the affine map of SM4 itself, x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1 and
/// rows of 0xa7 rotated, plus 0xd3.
constexpr bool is_sbox_of_sm4() {
    constexpr affine_map own{0xa74f9e3d7af4e9d3, 0xd3};
    for (unsigned x = 0; x < 256; ++x) {
        const auto byte = static_cast<std::uint8_t>(x);
        if (own(invert(own(byte), 0x1f5)) != after_inverse(invert(before_inverse(byte), 0x11b)))
            return false;
    }
    return true;
}

} // namespace blkcrypto::sm4
