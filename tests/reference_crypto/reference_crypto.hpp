// SPDX-License-Identifier: Apache-2.0
#pragma once
// A second opinion on ciphertext: one data unit at a time, by libraries that blkcrypto itself does not use
// and plain code, through standard types only. Tests compare with it, and `blkbench` verifies images with it.
// It shares no code with blkcrypto, is not fast, and is not for keys that matter: it does not zeroize.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace reference_crypto {

/// The number of bytes of a data unit's IV, the least significant one first. A mode uses the first ones.
inline constexpr std::size_t iv_bytes = 32;

/// Modes are spelled as on blkcrypto's command lines ("aes-256-xts"); "aes-128-xts" is known as well.
/// AES is nettle's, SM4 is libgcrypt's; the rest of Adiantum is written after its paper.
bool supports(std::string_view mode_name);

/// Encrypts one whole data unit in place. False: the mode is not known, or the key or the unit has a length
/// that the mode cannot have, or the library lacks it; `in_out` is untouched then.
bool encrypt_unit(std::string_view mode_name, std::span<const std::uint8_t> key,
                  const std::array<std::uint8_t, iv_bytes>& iv_le, std::span<std::uint8_t> in_out);

/// The inverse of encrypt_unit().
bool decrypt_unit(std::string_view mode_name, std::span<const std::uint8_t> key,
                  const std::array<std::uint8_t, iv_bytes>& iv_le, std::span<std::uint8_t> in_out);

} // namespace reference_crypto
