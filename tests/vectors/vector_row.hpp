// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a published vector says, in any mode. The rows are facts with their sources named where they are; the
// tests of the cipher run them over the implementations and over the reference.

#include <array>
#include <cstdint>
#include <string_view>

namespace blkcrypto::vectors {

using dun_limbs = std::array<std::uint64_t, 4>; // least significant first

struct vector_row {
    const char* name;
    const char* key_hex;
    dun_limbs dun = {}; // of the first unit
    std::uint32_t unit_size_bytes;
    std::uint32_t length_bytes;      // whole units
    const char* plain_hex = nullptr; // again and again, up to the length; null: 00 01 .. ff 00 ..
    const char* first_hex;           // of the ciphertext: 32 bytes, or all there are
    const char* last_16_hex = nullptr;
    const char* sha256_hex = nullptr; // of all of the ciphertext
};

/// The DUN whose IV is given byte for byte, in hexadecimal, as the kernel's vectors have it.
consteval dun_limbs from_iv(std::string_view iv_hex) {
    dun_limbs limbs{};
    for (std::size_t i = 0; i < iv_hex.size(); ++i) {
        const auto digit =
            static_cast<std::uint64_t>(iv_hex[i] <= '9' ? iv_hex[i] - '0' : iv_hex[i] - 'a' + 10);
        limbs[i / 16] |= digit << (i % 16 / 2 * 8 + (i % 2 == 0 ? 4 : 0));
    }
    return limbs;
}

} // namespace blkcrypto::vectors
