// SPDX-License-Identifier: Apache-2.0
#include "tests/reference_crypto/poly1305.hpp"

#include <algorithm>

namespace reference_crypto {

block_number operator+(const block_number& a, const block_number& b) {
    block_number sum;
    unsigned carry = 0;
    for (std::size_t i = 0; i < sum.bytes.size(); ++i) {
        carry += unsigned{a.bytes[i]} + b.bytes[i];
        sum.bytes[i] = static_cast<std::uint8_t>(carry & 0xff);
        carry >>= 8;
    }
    return sum;
}

// a + ~b + 1
block_number operator-(const block_number& a, const block_number& b) {
    block_number inverse;
    for (std::size_t i = 0; i < inverse.bytes.size(); ++i)
        inverse.bytes[i] = static_cast<std::uint8_t>(~b.bytes[i] & 0xff);
    return a + inverse + block_number{{1}};
}

poly1305::poly1305(std::span<const std::uint8_t> key) {
    std::array<std::uint8_t, 16> clamped;
    std::ranges::copy(key, clamped.begin());
    for (const std::size_t top_of_word : {3U, 7U, 11U, 15U})
        clamped[top_of_word] &= 0x0f;
    for (const std::size_t bottom_of_word : {4U, 8U, 12U})
        clamped[bottom_of_word] &= 0xfc;
    point_ = load(clamped, 0);
}

void poly1305::add_blocks(std::span<const std::uint8_t> blocks) {
    for (; !blocks.empty(); blocks = blocks.subspan(16)) {
        const number coefficient = load(blocks.first(16), 1);
        for (std::size_t i = 0; i < sum_.size(); ++i)
            sum_[i] += coefficient[i];
        sum_ = product(sum_, point_);
    }
}

block_number poly1305::value() const {
    number n = sum_;
    carry(n);
    // n < 2 (2^130 - 5). It is too large by 2^130 - 5 exactly if n + 5 has the bit 2^130.
    number too_large = n;
    too_large[0] += 5;
    for (std::size_t i = 0; i + 1 < n.size(); ++i)
        too_large[i + 1] += too_large[i] >> digit_bits;
    if (too_large[4] >> digit_bits != 0)
        n = too_large;
    block_number low;
    for (std::size_t bit = 0; bit < 128; ++bit)
        low.bytes[bit / 8] |=
            static_cast<std::uint8_t>((n[bit / digit_bits] >> bit % digit_bits & 1) << bit % 8);
    return low;
}

poly1305::number poly1305::load(std::span<const std::uint8_t> block, std::uint64_t bit_128) {
    number n{};
    for (std::size_t bit = 0; bit < 128; ++bit)
        n[bit / digit_bits] |= (std::uint64_t{block[bit / 8]} >> bit % 8 & 1) << bit % digit_bits;
    n[128 / digit_bits] |= bit_128 << 128 % digit_bits;
    return n;
}

// Twice around. 2^130 is 5 here.
void poly1305::carry(number& n) {
    for (std::size_t i = 0; i < 2 * n.size(); ++i) {
        std::uint64_t& digit = n[i % n.size()];
        n[(i + 1) % n.size()] += (digit >> digit_bits) * (i % n.size() == n.size() - 1 ? 5 : 1);
        digit &= digit_mask;
    }
}

// a has digits of up to 28 bits, b of up to 26: no sum of five products, five times each, has more than 59.
poly1305::number poly1305::product(const number& a, const number& b) {
    number p{};
    for (std::size_t i = 0; i < a.size(); ++i)
        for (std::size_t k = 0; k < b.size(); ++k)
            p[(i + k) % p.size()] += a[i] * b[k] * (i + k < p.size() ? 1 : 5);
    carry(p);
    return p;
}

} // namespace reference_crypto
