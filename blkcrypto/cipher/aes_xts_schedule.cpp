// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/aes_xts_schedule.hpp"

#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/xts_key.hpp"

namespace blkcrypto {

std::error_code aes_xts_schedule::setkey(bytes_view key) noexcept {
    if (const std::error_code refused = check_xts_key(key, aes_256_xts_key_bytes); refused)
        return refused;
    expand_aes_xts_key(key.first<aes_256_xts_key_bytes>(), *this);
    return {};
}

void expand_aes_xts_key(std::span<const std::byte, aes_256_xts_key_bytes> key,
                        aes_xts_schedule& schedule) noexcept {
    expand_aes_256_keys(key, schedule.encrypt, schedule.tweak);
    invert_aes_256_keys(schedule.encrypt, schedule.decrypt);
    wipe_vector_registers();
}

} // namespace blkcrypto
