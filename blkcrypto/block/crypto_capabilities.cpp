// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/crypto_capabilities.hpp"

#include <algorithm>

namespace blkcrypto {

bool crypto_capabilities::supports(const crypto_config& config) const noexcept {
    const std::size_t mode = mode_index(config.mode);
    return mode < unit_sizes.size() && (unit_sizes[mode] & config.unit_size.bytes()) != 0 &&
           dun_bytes_max >= config.dun_bytes && config.key_type == crypto_key_type::raw;
}

void crypto_capabilities::intersect(const crypto_capabilities& other) noexcept {
    dun_bytes_max = std::min(dun_bytes_max, other.dun_bytes_max);
    for (std::size_t i = 0; i < unit_sizes.size(); ++i)
        unit_sizes[i] &= other.unit_sizes[i];
}

void crypto_capabilities::unite(const crypto_capabilities& other) noexcept {
    dun_bytes_max = std::max(dun_bytes_max, other.dun_bytes_max);
    for (std::size_t i = 0; i < unit_sizes.size(); ++i)
        unit_sizes[i] |= other.unit_sizes[i];
}

} // namespace blkcrypto
