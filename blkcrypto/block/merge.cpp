// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/merge.hpp"

namespace blkcrypto {

bool crypt_ctx_compatible(const bio_crypt_ctx& a, const bio_crypt_ctx& b) noexcept {
    return a.key == b.key;
}

bool crypt_ctx_mergeable(const bio_crypt_ctx& a, std::uint64_t a_bytes, const bio_crypt_ctx& b) noexcept {
    return crypt_ctx_compatible(a, b) &&
           (!a || a.first_dun.is_contiguous(a_bytes, a.unit_size(), b.first_dun));
}

bool can_back_merge(const bio& front, const bio& next) noexcept {
    return front.op == next.op && front.fua == next.fua && !next.preflush &&
           front.iter.start.value + (front.iter.size_bytes >> sector_bits) == next.iter.start.value &&
           crypt_ctx_mergeable(front.crypt, front.iter.size_bytes, next.crypt);
}

} // namespace blkcrypto
