// SPDX-License-Identifier: Apache-2.0
#pragma once
// The keys that fs/crypto makes of a master key, by HKDF-SHA512 (fs/crypto/hkdf.c). On OpenSSL's HMAC. For
// tests: nothing is zeroized.

#include "blkcrypto/base/bytes.hpp"

#include <cstdint>
#include <vector>

namespace blkcrypto::test {

/// RFC 5869 with SHA-512. An empty salt is as good as 64 zeros. `size_bytes`: at most 255 * 64.
std::vector<std::byte> hkdf_sha512(bytes_view key_material, bytes_view salt, bytes_view info,
                                   std::size_t size_bytes);

/// Its first half: what a salt makes of the key material, 64 bytes.
std::vector<std::byte> hkdf_sha512_extract(bytes_view key_material, bytes_view salt);

/// What a key is for: HKDF_CONTEXT_ of fs/crypto/fscrypt_private.h.
enum class fscrypt_context : std::uint8_t {
    key_identifier = 1, // no info
    per_file_key = 2,   // info: the file's nonce
    direct_key = 3,     // info: mode number
    iv_ino_lblk_64 = 4, // info: mode number, filesystem's UUID
    iv_ino_lblk_32 = 6, // likewise
    inode_hash = 7,     // no info
    per_extent_key = 9, // info: the extent's nonce; proposed, not in Linux
};

std::vector<std::byte> fscrypt_derive(bytes_view master_key, fscrypt_context context, bytes_view info,
                                      std::size_t size_bytes);

} // namespace blkcrypto::test
