// SPDX-License-Identifier: Apache-2.0
// The modes of AES, by nettle.
#include "tests/reference_crypto/ciphers.hpp"

#include <nettle/aes.h>
#include <nettle/cbc.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha2.h>
#include <nettle/xts.h>

namespace reference_crypto {
namespace {

using aes_block = std::array<std::uint8_t, AES_BLOCK_SIZE>;

// The IV of CBC: that of the data unit, of which ESSIV has 16 bytes, encrypted with the digest of the key.
aes_block essiv(key_span key, const iv_array& iv) {
    std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest;
    sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, key.size(), key.data());
    sha256_digest(&hash, digest.size(), digest.data());
    aes256_ctx schedule;
    aes256_set_encrypt_key(&schedule, digest.data());
    aes_block encrypted;
    aes256_encrypt(&schedule, encrypted.size(), encrypted.data(), iv.data());
    return encrypted;
}

} // namespace

bool aes_128_xts_encrypt(key_span key, const iv_array& iv, unit_span unit) {
    xts_aes128_key schedule;
    xts_aes128_set_encrypt_key(&schedule, key.data());
    xts_aes128_encrypt_message(&schedule, iv.data(), unit.size(), unit.data(), unit.data());
    return true;
}

bool aes_128_xts_decrypt(key_span key, const iv_array& iv, unit_span unit) {
    xts_aes128_key schedule;
    xts_aes128_set_decrypt_key(&schedule, key.data());
    xts_aes128_decrypt_message(&schedule, iv.data(), unit.size(), unit.data(), unit.data());
    return true;
}

bool aes_256_xts_encrypt(key_span key, const iv_array& iv, unit_span unit) {
    xts_aes256_key schedule;
    xts_aes256_set_encrypt_key(&schedule, key.data());
    xts_aes256_encrypt_message(&schedule, iv.data(), unit.size(), unit.data(), unit.data());
    return true;
}

bool aes_256_xts_decrypt(key_span key, const iv_array& iv, unit_span unit) {
    xts_aes256_key schedule;
    xts_aes256_set_decrypt_key(&schedule, key.data());
    xts_aes256_decrypt_message(&schedule, iv.data(), unit.size(), unit.data(), unit.data());
    return true;
}

bool aes_128_cbc_essiv_encrypt(key_span key, const iv_array& iv, unit_span unit) {
    aes_block cbc_iv = essiv(key, iv);
    aes128_ctx schedule;
    aes128_set_encrypt_key(&schedule, key.data());
    cbc_encrypt(&schedule, nettle_aes128.encrypt, cbc_iv.size(), cbc_iv.data(), unit.size(), unit.data(),
                unit.data());
    return true;
}

bool aes_128_cbc_essiv_decrypt(key_span key, const iv_array& iv, unit_span unit) {
    aes_block cbc_iv = essiv(key, iv);
    aes128_ctx schedule;
    aes128_set_decrypt_key(&schedule, key.data());
    cbc_decrypt(&schedule, nettle_aes128.decrypt, cbc_iv.size(), cbc_iv.data(), unit.size(), unit.data(),
                unit.data());
    return true;
}

} // namespace reference_crypto
