// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/crypto_key.hpp"

#include <cerrno>
#include <cstring>

namespace blkcrypto {

result<std::unique_ptr<crypto_key>> crypto_key::make(bytes_view key, const crypto_config& config) {
    const crypto_mode_info* mode = find_mode(config.mode);
    if (mode == nullptr || config.key_type != crypto_key_type::raw || key.size() != mode->key_size_bytes ||
        config.dun_bytes == 0 || config.dun_bytes > mode->iv_size_bytes)
        return make_error(EINVAL);
    auto bytes = secret::copy_of(key);
    if (bytes.has_error())
        return bytes.error();
    return or_no_memory([&]() -> result<std::unique_ptr<crypto_key>> {
        return std::unique_ptr<crypto_key>(new crypto_key(config, std::move(*bytes)));
    });
}

std::error_code crypto_key::derive(secret& into) const noexcept {
    if (!into.resize(key_.size_bytes()))
        return make_error(EINVAL);
    std::memcpy(into.writable().data(), key_.bytes().data(), key_.size_bytes());
    return {};
}

} // namespace blkcrypto
