// SPDX-License-Identifier: Apache-2.0
#include "tests/reference_crypto/reference_crypto.hpp"

#include "tests/reference_crypto/ciphers.hpp"

#include <algorithm>

namespace reference_crypto {
namespace {

struct mode {
    std::string_view name;
    std::size_t key_bytes;
    std::size_t unit_bytes_min;
    std::size_t unit_bytes_step; // a unit is a multiple of it
    bool (*encrypt)(key_span key, const iv_array& iv, unit_span unit);
    bool (*decrypt)(key_span key, const iv_array& iv, unit_span unit);
};

constexpr std::array modes{
    mode{"aes-256-xts", 64, 16, 1, &aes_256_xts_encrypt, &aes_256_xts_decrypt},
    mode{"aes-128-cbc-essiv", 16, 16, 16, &aes_128_cbc_essiv_encrypt, &aes_128_cbc_essiv_decrypt},
    mode{"adiantum", 32, 16, 1, &adiantum_encrypt, &adiantum_decrypt},
    mode{"sm4-xts", 32, 16, 1, &sm4_xts_encrypt, &sm4_xts_decrypt},
    mode{"aes-128-xts", 32, 16, 1, &aes_128_xts_encrypt, &aes_128_xts_decrypt},
};

const mode* find(std::string_view name) {
    const auto found = std::ranges::find(modes, name, &mode::name);
    return found == modes.end() ? nullptr : &*found;
}

bool fits(const mode* m, key_span key, unit_span unit) {
    return m != nullptr && key.size() == m->key_bytes && unit.size() >= m->unit_bytes_min &&
           unit.size() % m->unit_bytes_step == 0;
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
