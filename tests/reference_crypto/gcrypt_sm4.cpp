// SPDX-License-Identifier: Apache-2.0
// SM4-XTS, by libgcrypt. Its XTS is that of IEEE 1619, as is the kernel's xts(sm4). GB/T 17964 has another
// one.
#include "tests/reference_crypto/ciphers.hpp"

#include <gcrypt.h>

namespace reference_crypto {
namespace {

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

} // namespace

bool sm4_xts_encrypt(key_span key, const iv_array& iv, unit_span unit) {
    return sm4_xts(key, iv, unit, true);
}

bool sm4_xts_decrypt(key_span key, const iv_array& iv, unit_span unit) {
    return sm4_xts(key, iv, unit, false);
}

} // namespace reference_crypto
