// SPDX-License-Identifier: Apache-2.0
#pragma once
// The stream cipher of Adiantum: ChaCha with 12 rounds, its nonce extended to 24 bytes as XSalsa20's was.

#include <array>
#include <cstdint>
#include <span>

namespace reference_crypto {

inline constexpr std::size_t xchacha_nonce_bytes = 24;

/// The key of the stream that a nonce with these first 16 bytes has. `key` has 32 bytes.
std::array<std::uint8_t, 32> hchacha12(std::span<const std::uint8_t> key,
                                       std::span<const std::uint8_t> nonce);

/// XORs the stream that begins with block 0. `key` has 32 bytes.
void xchacha12_xor(std::span<const std::uint8_t> key,
                   const std::array<std::uint8_t, xchacha_nonce_bytes>& nonce, std::span<std::uint8_t> data);

constexpr std::uint32_t load_le32(std::span<const std::uint8_t> bytes, std::size_t at) {
    const std::uint8_t* b = &bytes[at];
    return b[0] | std::uint32_t{b[1]} << 8 | std::uint32_t{b[2]} << 16 | std::uint32_t{b[3]} << 24;
}

} // namespace reference_crypto
