// SPDX-License-Identifier: Apache-2.0
#include "tests/reference_crypto/reference_crypto.hpp"

#include <algorithm>
#include <gcrypt.h>
#include <nettle/xts.h>

namespace reference_crypto {
namespace {

using key_span = std::span<const std::uint8_t>;
using iv_array = std::array<std::uint8_t, iv_bytes>;
using unit_span = std::span<std::uint8_t>;

struct mode {
    std::string_view name;
    std::size_t key_bytes;
    std::size_t unit_bytes_min;
    bool (*encrypt)(key_span key, const iv_array& iv, unit_span unit);
    bool (*decrypt)(key_span key, const iv_array& iv, unit_span unit);
};

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

// libgcrypt's XTS is that of IEEE 1619, as is the kernel's xts(sm4). GB/T 17964 has another one.
bool sm4_xts(key_span key, const iv_array& iv, unit_span unit, bool encrypts) {
    static const bool initialized = gcry_check_version(GCRYPT_VERSION) != nullptr &&
                                    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0) == 0;
    gcry_cipher_hd_t cipher = nullptr;
    if (!initialized || gcry_cipher_open(&cipher, GCRY_CIPHER_SM4, GCRY_CIPHER_MODE_XTS, 0) != 0)
        return false;
    const bool keyed = gcry_cipher_setkey(cipher, key.data(), key.size()) == 0 &&
                       gcry_cipher_setiv(cipher, iv.data(), 16) == 0;
    const auto crypt = encrypts ? &gcry_cipher_encrypt : &gcry_cipher_decrypt;
    const bool done = keyed && crypt(cipher, unit.data(), unit.size(), nullptr, 0) == 0;
    gcry_cipher_close(cipher);
    return done;
}

bool sm4_xts_encrypt(key_span key, const iv_array& iv, unit_span unit) {
    return sm4_xts(key, iv, unit, true);
}

bool sm4_xts_decrypt(key_span key, const iv_array& iv, unit_span unit) {
    return sm4_xts(key, iv, unit, false);
}

constexpr std::array modes{
    mode{"aes-256-xts", 64, 16, &aes_256_xts_encrypt, &aes_256_xts_decrypt},
    mode{"aes-128-xts", 32, 16, &aes_128_xts_encrypt, &aes_128_xts_decrypt},
    mode{"sm4-xts", 32, 16, &sm4_xts_encrypt, &sm4_xts_decrypt},
};

const mode* find(std::string_view name) {
    const auto found = std::ranges::find(modes, name, &mode::name);
    return found == modes.end() ? nullptr : &*found;
}

bool fits(const mode* m, key_span key, unit_span unit) {
    return m != nullptr && key.size() == m->key_bytes && unit.size() >= m->unit_bytes_min;
}

} // namespace

bool supports(std::string_view mode_name) {
    return find(mode_name) != nullptr;
}

bool encrypt_unit(std::string_view mode_name, key_span key, const iv_array& iv_le, unit_span in_out) {
    const mode* m = find(mode_name);
    if (!fits(m, key, in_out))
        return false;
    return m->encrypt(key, iv_le, in_out);
}

bool decrypt_unit(std::string_view mode_name, key_span key, const iv_array& iv_le, unit_span in_out) {
    const mode* m = find(mode_name);
    if (!fits(m, key, in_out))
        return false;
    return m->decrypt(key, iv_le, in_out);
}

} // namespace reference_crypto
