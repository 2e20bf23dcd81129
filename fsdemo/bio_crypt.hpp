// SPDX-License-Identifier: Apache-2.0
#pragma once
// From extents to crypto contexts: what a filesystem says about a bio (fs/crypto/inline_crypt.c, the
// functions of the per-extent series, v7). A null info is an extent that is not encrypted.

#include "blkcrypto/block/bio.hpp"

namespace blkcrypto::fsdemo {

/// fscrypt_set_bio_crypt_ctx_from_extent(): `offset_bytes` is that of the bio's first byte in the ORIGINAL
/// extent, whole data units. The DUN counts from there, wherever the extent's part is in a file.
void set_bio_crypt_ctx(bio& b, const key_request* info, std::uint64_t offset_bytes) noexcept;

/// fscrypt_mergeable_extent_bio(): whether data at `offset_bytes` of the extent may be added to the end of
/// the bio. Not if the key changes, the DUN does not go on, or one of the two is encrypted and the other is
/// not.
bool mergeable_bio(const bio& b, const key_request* info, std::uint64_t offset_bytes) noexcept;

} // namespace blkcrypto::fsdemo
