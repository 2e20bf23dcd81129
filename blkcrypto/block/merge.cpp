// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/merge.hpp"

namespace blkcrypto {
namespace {

// Asks for no more than its data to be moved.
bool only_moves_data(const bio& b) noexcept {
    return b.has_data() && !b.fua && !b.preflush;
}

} // namespace

bool crypt_ctx_compatible(const bio_crypt_ctx& a, const bio_crypt_ctx& b) noexcept {
    return a.key == b.key;
}

bool crypt_ctx_mergeable(const bio_crypt_ctx& a, std::uint64_t a_bytes, const bio_crypt_ctx& b) noexcept {
    return crypt_ctx_compatible(a, b) &&
           (!a || a.first_dun.is_contiguous(a_bytes, a.unit_size(), b.first_dun));
}

bool bio_mergeable(const bio& first, const bio& next) noexcept {
    return first.iter.start.value + (first.iter.size_bytes >> sector_bits) == next.iter.start.value &&
           first.op == next.op && only_moves_data(first) && only_moves_data(next) &&
           next.iter.size_bytes <= UINT32_MAX - first.iter.size_bytes &&
           crypt_ctx_mergeable(first.crypt, first.iter.size_bytes, next.crypt);
}

} // namespace blkcrypto
