// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is derived from a master key, and how (fs/crypto/hkdf.c, fscrypt_private.h): HKDF-SHA512 without a
// salt, with the info "fscrypt\0", a byte that says what for, and what belongs to that. Used by keyring and
// by `fsdemo derive`.

#include "fsdemo/hkdf.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace blkcrypto::fsdemo {

inline constexpr std::size_t master_key_bytes_min = 16; // FSCRYPT_MIN_KEY_SIZE
inline constexpr std::size_t master_key_bytes_max = 64; // FSCRYPT_MAX_RAW_KEY_SIZE
inline constexpr std::size_t derived_bytes_max = 255 * 64;

/// HKDF_CONTEXT_, with what the info is and how much is derived.
enum class hkdf_context : std::uint8_t {
    key_identifier_for_raw_key = 1,    // -; 16 bytes
    per_file_enc_key = 2,              // the file's nonce; the mode's key size
    direct_key = 3,                    // mode number; the mode's key size
    iv_ino_lblk_64_key = 4,            // mode number, the filesystem's UUID; the mode's key size
    dirhash_key = 5,                   // the directory's nonce; 16 bytes
    iv_ino_lblk_32_key = 6,            // as 4
    inode_hash_key = 7,                // -; 16 bytes
    key_identifier_for_hw_wrapped = 8, // -; 16 bytes
    per_extent_enc_key = 9,            // the extent's nonce; the mode's key size. Proposed, not in Linux
};

struct hkdf_context_info {
    hkdf_context context;
    std::string_view name; // PER_EXTENT_ENC_KEY and its like, without HKDF_CONTEXT_
};
std::span<const hkdf_context_info> hkdf_contexts() noexcept;

/// fscrypt_hkdf_expand(). As hkdf_sha512::expand().
void derive(const hkdf_sha512& master, hkdf_context context, bytes_view info, bytes_span out) noexcept;

/// fscrypt_valid_master_key_size() for a policy of version 2: at least the mode's security strength.
bool is_valid_master_key_size(std::size_t master_key_bytes, std::size_t security_strength_bytes) noexcept;

} // namespace blkcrypto::fsdemo
