// SPDX-License-Identifier: Apache-2.0
#pragma once
// Poly1305 as a polynomial alone, as Adiantum uses it: no nonce is added at the end, and there are only whole
// blocks. And the arithmetic mod 2^128 that its values are used in.

#include <array>
#include <cstdint>
#include <span>

namespace reference_crypto {

/// A number mod 2^128, the least significant byte first.
struct block_number {
    std::array<std::uint8_t, 16> bytes{};
};

block_number operator+(const block_number& a, const block_number& b);
block_number operator-(const block_number& a, const block_number& b);

class poly1305 {
  public:
    /// `key` has 16 bytes, of which the polynomial's point is made.
    explicit poly1305(std::span<const std::uint8_t> key);

    /// `blocks`: a multiple of 16 bytes.
    void add_blocks(std::span<const std::uint8_t> blocks);

    /// The polynomial's value mod 2^130 - 5, of that the low 128 bits.
    block_number value() const;

  private:
    /// Digits of 26 bits, the least significant one first; a digit may have a few bits more for a while.
    using number = std::array<std::uint64_t, 5>;
    static constexpr unsigned digit_bits = 26;
    static constexpr std::uint64_t digit_mask = (1U << digit_bits) - 1;

    static number load(std::span<const std::uint8_t> block, std::uint64_t bit_128);
    static void carry(number& n);
    static number product(const number& a, const number& b);

    number point_;
    number sum_{};
};

} // namespace reference_crypto
