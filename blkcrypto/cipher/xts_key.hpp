// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is true of an XTS key whatever the block cipher: it is two keys, one for the data and one for the
// tweak.

#include "blkcrypto/base/bytes.hpp"

#include <system_error>

namespace blkcrypto {

/// EINVAL: another length than `key_bytes`, or two equal halves. Those are weak (FIPS 140-2 IG A.9): the
/// kernel refuses them where a tfm forbids weak keys (xts_verify_key), as those of blk-crypto-fallback do.
/// Takes the same time for all keys of a length.
std::error_code check_xts_key(bytes_view key, std::size_t key_bytes) noexcept;

} // namespace blkcrypto
