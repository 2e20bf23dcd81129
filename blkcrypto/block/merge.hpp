// SPDX-License-Identifier: Apache-2.0
#pragma once
// When two bios may become one request: the crypto part of the rules in block/blk-merge.c.

#include "blkcrypto/block/bio.hpp"

namespace blkcrypto {

/// bio_crypt_ctx_compatible(): both plain, or both with the same key, that is, the same address.
bool crypt_ctx_compatible(const bio_crypt_ctx& a, const bio_crypt_ctx& b) noexcept;

/// bio_crypt_ctx_mergeable(): compatible, and `b` goes on with the DUN that follows `a_bytes` of `a`.
bool crypt_ctx_mergeable(const bio_crypt_ctx& a, std::uint64_t a_bytes, const bio_crypt_ctx& b) noexcept;

/// `next` may be appended to `front`: the same operation and flags, adjacent on the device, and mergeable.
bool can_back_merge(const bio& front, const bio& next) noexcept;

} // namespace blkcrypto
