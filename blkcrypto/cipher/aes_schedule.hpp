// SPDX-License-Identifier: Apache-2.0
#pragma once
// AES keys, expanded, for this library's own AES code: FIPS 197, 5.2 (key expansion) and 5.3.5 (the
// equivalent inverse cipher). Memory is the caller's, who zeroizes it; any number of threads may read it at
// once.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/cipher/cpu_features.hpp"

#include <array>
#include <span>

namespace blkcrypto {

inline constexpr std::size_t aes_block_bytes = 16;
inline constexpr std::size_t aes_128_key_bytes = 16;
inline constexpr std::size_t aes_256_key_bytes = 32;
inline constexpr std::size_t aes_128_rounds = 10;
inline constexpr std::size_t aes_256_rounds = 14;

/// 16-byte aligned.
using aes_128_round_keys = std::array<std::array<std::byte, aes_block_bytes>, aes_128_rounds + 1>;
using aes_256_round_keys = std::array<std::array<std::byte, aes_block_bytes>, aes_256_rounds + 1>;

// Of all below: they allocate nothing, cannot fail, and leave round keys in vector registers, for the caller
// to wipe when all is expanded.

inline constexpr cpu_feature_set aes_schedule_needs{cpu_feature::ssse3, cpu_feature::sse4_1,
                                                    cpu_feature::aes};

void expand_aes_128_key(std::span<const std::byte, aes_128_key_bytes> key,
                        aes_128_round_keys& encrypt) noexcept;
void expand_aes_256_key(std::span<const std::byte, aes_256_key_bytes> key,
                        aes_256_round_keys& encrypt) noexcept;

/// Two keys that follow each other, in little more time than one.
void expand_aes_256_keys(std::span<const std::byte, 2 * aes_256_key_bytes> keys, aes_256_round_keys& first,
                         aes_256_round_keys& second) noexcept;

/// The round keys of the inverse cipher, in the order of use.
void invert_aes_128_keys(const aes_128_round_keys& encrypt, aes_128_round_keys& decrypt) noexcept;
void invert_aes_256_keys(const aes_256_round_keys& encrypt, aes_256_round_keys& decrypt) noexcept;

} // namespace blkcrypto
