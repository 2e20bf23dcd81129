// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/aes_cbc_essiv_schedule.hpp"

#include "blkcrypto/base/result.hpp"
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/essiv_key.hpp"

#include <cerrno>

namespace blkcrypto {

std::error_code aes_cbc_essiv_schedule::setkey(bytes_view key) noexcept {
    if (key.size() != essiv_data_key_bytes)
        return make_error(EINVAL);
    const auto data_key = key.first<essiv_data_key_bytes>();
    std::array<std::byte, essiv_iv_key_bytes> iv_key;
    derive_essiv_iv_key(data_key, iv_key);
    expand_aes_128_key(data_key, encrypt);
    invert_aes_128_keys(encrypt, decrypt);
    expand_aes_256_key(iv_key, iv);
    zeroize(iv_key);
    wipe_vector_registers();
    return {};
}

} // namespace blkcrypto
