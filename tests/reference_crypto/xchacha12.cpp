// SPDX-License-Identifier: Apache-2.0
#include "tests/reference_crypto/xchacha12.hpp"

#include <algorithm>
#include <bit>

namespace reference_crypto {
namespace {

// Four rows of four words: constants, two rows of key, and a row of block number and nonce.
using state = std::array<std::uint32_t, 16>;
using key_bytes = std::span<const std::uint8_t>;

state initial(key_bytes key, std::span<const std::uint32_t, 4> last_row) {
    state s{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}; // "expand 32-byte k"
    for (std::size_t i = 0; i < 8; ++i)
        s[4 + i] = load_le32(key, 4 * i);
    std::ranges::copy(last_row, s.begin() + 12);
    return s;
}

void quarter_round(std::uint32_t& a_out, std::uint32_t& b_out, std::uint32_t& c_out, std::uint32_t& d_out) {
    std::uint32_t a = a_out, b = b_out, c = c_out, d = d_out;
    a += b, d = std::rotl(d ^ a, 16);
    c += d, b = std::rotl(b ^ c, 12);
    a += b, d = std::rotl(d ^ a, 8);
    c += d, b = std::rotl(b ^ c, 7);
    a_out = a, b_out = b, c_out = c, d_out = d;
}

// Twelve rounds: six times the columns, then the diagonals.
void permute(state& s) {
    for (int double_round = 0; double_round < 6; ++double_round) {
        for (std::size_t i = 0; i < 4; ++i)
            quarter_round(s[i], s[4 + i], s[8 + i], s[12 + i]);
        for (std::size_t i = 0; i < 4; ++i)
            quarter_round(s[i], s[4 + (i + 1) % 4], s[8 + (i + 2) % 4], s[12 + (i + 3) % 4]);
    }
}

std::array<std::uint8_t, 4> store_le32(std::uint32_t word) {
    return {static_cast<std::uint8_t>(word), static_cast<std::uint8_t>(word >> 8),
            static_cast<std::uint8_t>(word >> 16), static_cast<std::uint8_t>(word >> 24)};
}

std::array<std::uint8_t, 64> stream_block(const state& input) {
    state s = input;
    permute(s);
    std::array<std::uint8_t, 64> block;
    for (std::size_t i = 0; i < s.size(); ++i)
        std::ranges::copy(store_le32(s[i] + input[i]), block.begin() + static_cast<std::ptrdiff_t>(4 * i));
    return block;
}

} // namespace

// HChaCha: the first and the last row of the permuted state, to which nothing is added.
std::array<std::uint8_t, 32> hchacha12(key_bytes key, std::span<const std::uint8_t> nonce) {
    state s = initial(
        key, std::array{load_le32(nonce, 0), load_le32(nonce, 4), load_le32(nonce, 8), load_le32(nonce, 12)});
    permute(s);
    std::array<std::uint8_t, 32> derived;
    for (std::size_t i = 0; i < 4; ++i) {
        std::ranges::copy(store_le32(s[i]), derived.begin() + static_cast<std::ptrdiff_t>(4 * i));
        std::ranges::copy(store_le32(s[12 + i]), derived.begin() + static_cast<std::ptrdiff_t>(16 + 4 * i));
    }
    return derived;
}

void xchacha12_xor(key_bytes key, const std::array<std::uint8_t, xchacha_nonce_bytes>& nonce,
                   std::span<std::uint8_t> data) {
    const auto derived_key = hchacha12(key, std::span(nonce).first(16));
    for (std::uint32_t number = 0; !data.empty(); ++number) {
        const auto block = stream_block(
            initial(derived_key, std::array{number, 0U, load_le32(nonce, 16), load_le32(nonce, 20)}));
        const std::size_t size = std::min(data.size(), block.size());
        for (std::size_t i = 0; i < size; ++i)
            data[i] ^= block[i];
        data = data.subspan(size);
    }
}

} // namespace reference_crypto
