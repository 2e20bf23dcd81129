// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/xts_key.hpp"

#include "blkcrypto/base/result.hpp"

#include <cerrno>
#include <openssl/crypto.h>

namespace blkcrypto {

std::error_code check_xts_key(bytes_view key, std::size_t key_bytes) noexcept {
    const std::size_t half = key_bytes / 2;
    if (key.size() != key_bytes || CRYPTO_memcmp(key.data(), key.data() + half, half) == 0)
        return make_error(EINVAL);
    return {};
}

} // namespace blkcrypto
