// SPDX-License-Identifier: Apache-2.0
#pragma once
// ESSIV, the "encrypted salt-sector IV": a CBC mode whose unit numbers are encrypted before they become IVs,
// under a key that is the hash of the data's key, as the kernel's essiv(cbc(aes),sha256).

#include "blkcrypto/base/bytes.hpp"

#include <span>

namespace blkcrypto {

inline constexpr std::size_t essiv_data_key_bytes = 16;
inline constexpr std::size_t essiv_iv_key_bytes = 32;

/// SHA-256 of the data's key, which is the AES-256 key of the IVs. Allocates nothing; the caller zeroizes
/// `iv_key` after use.
void derive_essiv_iv_key(std::span<const std::byte, essiv_data_key_bytes> data_key,
                         std::span<std::byte, essiv_iv_key_bytes> iv_key) noexcept;

} // namespace blkcrypto
