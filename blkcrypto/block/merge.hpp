// SPDX-License-Identifier: Apache-2.0
#pragma once
// When bios may become one request: the rules of block/blk-merge.c as far as they concern plain and encrypted
// reads and writes. What they become is in request.hpp.

#include "blkcrypto/block/bio.hpp"

namespace blkcrypto {

/// bio_crypt_ctx_compatible(): both plain, or both with the same key, that is, the same address.
bool crypt_ctx_compatible(const bio_crypt_ctx& a, const bio_crypt_ctx& b) noexcept;

/// bio_crypt_ctx_mergeable(): compatible, and `b` goes on with the DUN that follows `a_bytes` of `a`.
bool crypt_ctx_mergeable(const bio_crypt_ctx& a, std::uint64_t a_bytes, const bio_crypt_ctx& b) noexcept;

/// `next` goes on where `first` ends, on the device and in DUNs; the operations are the same, reads or writes
/// of data; neither asks for a flush or fua (REQ_NOMERGE_FLAGS); and the whole fits a bio.
bool bio_mergeable(const bio& first, const bio& next) noexcept;

} // namespace blkcrypto
