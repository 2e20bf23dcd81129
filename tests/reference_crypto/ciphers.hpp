// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ciphers of the reference, one function for each direction of each mode. What is given to them fits the
// mode: reference_crypto.cpp has looked. False: the library lacks the cipher, and the unit is untouched.

#include "tests/reference_crypto/reference_crypto.hpp"

namespace reference_crypto {

using key_span = std::span<const std::uint8_t>;
using iv_array = std::array<std::uint8_t, iv_bytes>;
using unit_span = std::span<std::uint8_t>;

// nettle_aes.cpp
bool aes_128_xts_encrypt(key_span key, const iv_array& iv, unit_span unit);
bool aes_128_xts_decrypt(key_span key, const iv_array& iv, unit_span unit);
bool aes_256_xts_encrypt(key_span key, const iv_array& iv, unit_span unit);
bool aes_256_xts_decrypt(key_span key, const iv_array& iv, unit_span unit);
bool aes_128_cbc_essiv_encrypt(key_span key, const iv_array& iv, unit_span unit);
bool aes_128_cbc_essiv_decrypt(key_span key, const iv_array& iv, unit_span unit);

// gcrypt_sm4.cpp
bool sm4_xts_encrypt(key_span key, const iv_array& iv, unit_span unit);
bool sm4_xts_decrypt(key_span key, const iv_array& iv, unit_span unit);

// adiantum.cpp
bool adiantum_encrypt(key_span key, const iv_array& iv, unit_span unit);
bool adiantum_decrypt(key_span key, const iv_array& iv, unit_span unit);
/// What HChaCha12 makes the stream's key of: the middle block of a unit that has been encrypted.
std::array<std::uint8_t, 16> adiantum_middle(key_span key, const iv_array& iv,
                                             std::span<const std::uint8_t> unit);

} // namespace reference_crypto
