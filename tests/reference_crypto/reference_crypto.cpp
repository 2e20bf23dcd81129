// SPDX-License-Identifier: Apache-2.0
#include "tests/reference_crypto/reference_crypto.hpp"

#include <algorithm>
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
    void (*encrypt)(key_span key, const iv_array& iv, unit_span unit);
    void (*decrypt)(key_span key, const iv_array& iv, unit_span unit);
};

void aes_128_xts_encrypt(key_span key, const iv_array& iv, unit_span unit) {
    xts_aes128_key schedule;
    xts_aes128_set_encrypt_key(&schedule, key.data());
    xts_aes128_encrypt_message(&schedule, iv.data(), unit.size(), unit.data(), unit.data());
}

void aes_128_xts_decrypt(key_span key, const iv_array& iv, unit_span unit) {
    xts_aes128_key schedule;
    xts_aes128_set_decrypt_key(&schedule, key.data());
    xts_aes128_decrypt_message(&schedule, iv.data(), unit.size(), unit.data(), unit.data());
}

void aes_256_xts_encrypt(key_span key, const iv_array& iv, unit_span unit) {
    xts_aes256_key schedule;
    xts_aes256_set_encrypt_key(&schedule, key.data());
    xts_aes256_encrypt_message(&schedule, iv.data(), unit.size(), unit.data(), unit.data());
}

void aes_256_xts_decrypt(key_span key, const iv_array& iv, unit_span unit) {
    xts_aes256_key schedule;
    xts_aes256_set_decrypt_key(&schedule, key.data());
    xts_aes256_decrypt_message(&schedule, iv.data(), unit.size(), unit.data(), unit.data());
}

constexpr std::array modes{
    mode{"aes-256-xts", 64, 16, &aes_256_xts_encrypt, &aes_256_xts_decrypt},
    mode{"aes-128-xts", 32, 16, &aes_128_xts_encrypt, &aes_128_xts_decrypt},
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
    m->encrypt(key, iv_le, in_out);
    return true;
}

bool decrypt_unit(std::string_view mode_name, key_span key, const iv_array& iv_le, unit_span in_out) {
    const mode* m = find(mode_name);
    if (!fits(m, key, in_out))
        return false;
    m->decrypt(key, iv_le, in_out);
    return true;
}

} // namespace reference_crypto
