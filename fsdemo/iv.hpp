// SPDX-License-Identifier: Apache-2.0
#pragma once
// The IVs of fscrypt (fs/crypto/crypto.c, fscrypt_generate_iv(); inline_crypt.c): from the index of a data
// unit to a DUN, for each flavour of policy. fsdemo itself has keys for each extent and counts from the start
// of the extent; the other flavours are for whoever checks what ext4, f2fs or UBIFS wrote.

#include "blkcrypto/block/dun.hpp"
#include "fsdemo/policy.hpp"

#include <cstdint>

namespace blkcrypto::fsdemo {

enum class iv_flavour : std::uint8_t { per_file, direct_key, iv_ino_lblk_64, iv_ino_lblk_32 };

/// What an IV is made of beside the index of the data unit: each flavour looks at its own member.
struct iv_source {
    iv_flavour flavour = iv_flavour::per_file;
    crypto_nonce file_nonce{};      // direct_key
    std::uint32_t inode = 0;        // iv_ino_lblk_64
    std::uint32_t hashed_inode = 0; // iv_ino_lblk_32
};

/// By the flags of a policy; none of them is per_file.
iv_flavour flavour_of(std::uint8_t policy_flags) noexcept;

/// fscrypt_generate_dun(): the DUN of the data unit `index` of a file.
dun generate_dun(const iv_source& source, std::uint64_t index) noexcept;

/// The index of the data unit at a byte of a file: property 52.
constexpr std::uint64_t unit_index(std::uint64_t offset_bytes, data_unit_size unit_size) noexcept {
    return unit_size.units_in(offset_bytes);
}

/// fscrypt_limit_io_blocks(): how many of `units` from `index` on may be one bio. Only the DUN of
/// iv_ino_lblk_32 wraps, at 32 bits.
std::uint64_t limit_io_units(const iv_source& source, std::uint64_t index, std::uint64_t units) noexcept;

/// fscrypt_get_dun_bytes(): what a key of that flavour declares. `file_bytes_max`: of the filesystem.
std::uint8_t dun_bytes_of(iv_flavour flavour, std::uint64_t file_bytes_max,
                          data_unit_size unit_size) noexcept;

/// SipHash-2-4.
std::uint64_t siphash(const std::array<std::byte, 16>& key, bytes_view message) noexcept;

/// fscrypt_hash_inode_number(): the hashed inode number under INODE_HASH_KEY.
std::uint32_t hash_inode_number(const std::array<std::byte, 16>& inode_hash_key,
                                std::uint64_t inode) noexcept;

} // namespace blkcrypto::fsdemo
