// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/adiantum_schedule.hpp"

#include "blkcrypto/base/result.hpp"
#include "blkcrypto/base/secret.hpp"

#include <cerrno>

namespace blkcrypto {

std::error_code adiantum_schedule::setkey(bytes_view key) noexcept {
    if (key.size() != adiantum_key_bytes)
        return make_error(EINVAL);
    std::array<std::byte, adiantum_block_key_bytes> block_key;
    derive_adiantum_keys(key.first<adiantum_key_bytes>(), keys, block_key);
    expand_aes_256_key(block_key, encrypt);
    invert_aes_256_keys(encrypt, decrypt);
    zeroize(block_key);
    wipe_vector_registers();
    return {};
}

} // namespace blkcrypto
