// SPDX-License-Identifier: Apache-2.0
#pragma once
// What says how things are encrypted, as it lies on disk: the policy of a directory and of what is in it
// (struct fscrypt_policy_v2), an inode's context (fscrypt_context_v2), an extent's context
// (fscrypt_extent_context of the per-extent series, v7), and which policies a filesystem takes
// (fs/crypto/policy.c). Used by keyring and by whoever stores and loads them. Pure: no state, no I/O.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/result.hpp"
#include "blkcrypto/base/units.hpp"
#include "blkcrypto/cipher/crypto_mode.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace blkcrypto::fsdemo {

/// FSCRYPT_MODE_, with the values on disk.
enum class fscrypt_mode : std::uint8_t {
    aes_256_xts = 1,
    aes_256_cts = 4,
    aes_128_cbc = 5,
    aes_128_cts = 6,
    sm4_xts = 7,
    sm4_cts = 8,
    adiantum = 9,
    aes_256_hctr2 = 10,
};

/// FSCRYPT_POLICY_FLAG_.
inline constexpr std::uint8_t policy_flags_pad_32 = 0x03; // the two bits of the padding of names
inline constexpr std::uint8_t policy_flag_direct_key = 0x04;
inline constexpr std::uint8_t policy_flag_iv_ino_lblk_64 = 0x08;
inline constexpr std::uint8_t policy_flag_iv_ino_lblk_32 = 0x10;

inline constexpr std::size_t policy_v1_size_bytes = 12;
inline constexpr std::size_t policy_size_bytes = 24;
inline constexpr std::size_t context_v1_size_bytes = 28;
inline constexpr std::size_t context_size_bytes = 40;
inline constexpr std::size_t extent_context_size_bytes = 34;

using key_identifier = std::array<std::byte, 16>;
using crypto_nonce = std::array<std::byte, 16>;

/// In two words: the comparison of arrays looks at std::bytes one by one.
inline bool is_same(const crypto_nonce& a, const crypto_nonce& b) noexcept {
    return std::memcmp(a.data(), b.data(), a.size()) == 0;
}

/// A policy of version 2.
struct encryption_policy {
    fscrypt_mode contents_mode{};
    fscrypt_mode filenames_mode{};
    std::uint8_t flags = 0;
    std::uint8_t log2_data_unit_size = 0; // 0: the filesystem's block
    std::array<std::byte, 3> reserved{};
    key_identifier master_key_identifier{};

    bool operator==(const encryption_policy&) const = default;
};

/// Of an inode: its policy, and a nonce of its own.
struct encryption_context {
    encryption_policy policy;
    crypto_nonce nonce{};

    bool operator==(const encryption_context&) const = default;
};

/// Of an extent: what its key is derived from, and what it is used with.
struct extent_context {
    fscrypt_mode mode{};
    key_identifier master_key_identifier{};
    crypto_nonce nonce{};

    bool operator==(const extent_context&) const = default;
};

/// What a filesystem can do (fscrypt_operations), for the check of policies.
struct crypto_traits {
    bool has_per_extent_encryption = true;
    bool supports_subblock_data_units = true;
    bool has_stable_inodes = false;
    bool has_32bit_inodes = false;
    unsigned block_bits = 12;
    std::uint64_t file_bytes_max = UINT64_MAX >> 1;
};

/// 24 bytes.
std::array<std::byte, policy_size_bytes> encode(const encryption_policy& policy) noexcept;
/// 40 bytes.
std::array<std::byte, context_size_bytes> encode(const encryption_context& context) noexcept;
/// fscrypt_context_for_new_extent(): 34 bytes.
std::array<std::byte, extent_context_size_bytes> encode(const extent_context& context) noexcept;

/// fscrypt_policy_from_context() with fscrypt_context_size(), of untrusted bytes: EINVAL for a size that is
/// not 40, or another version than 2. What is in it has not been checked: check_policy().
result<encryption_context> decode_context(bytes_view bytes) noexcept;

/// The checks of fscrypt_load_extent_info(), in its order, each EINVAL: shorter than 34 bytes (what follows
/// them is ignored), version, a master key other than the policy's, a mode other than the policy's. `why`
/// gets the kernel's words.
result<extent_context> decode_extent_context(bytes_view bytes, const encryption_policy& policy,
                                             std::string_view& why) noexcept;

/// fscrypt_supported_policy() of untrusted bytes that say they are a policy, of any version: the rules in the
/// kernel's order, each EINVAL, `why` names the one that was broken. Version 1 is refused where extents have
/// keys of their own; elsewhere too, since no other filesystem is built here.
result<encryption_policy> check_policy(bytes_view bytes, const crypto_traits& traits,
                                       std::string_view& why) noexcept;

/// The block layer's mode; invalid for one that has no counterpart there.
crypto_mode block_mode(fscrypt_mode mode) noexcept;

/// "aes-256-xts" ..., the names of command lines and JSON; empty for an unknown one.
std::string_view name_of(fscrypt_mode mode) noexcept;
/// Nothing of that name: EINVAL.
result<fscrypt_mode> find_fscrypt_mode(std::string_view name) noexcept;
/// The first mode for names that is allowed with it.
fscrypt_mode default_filenames_mode(fscrypt_mode contents) noexcept;

/// fscrypt_policy_du_bits(). The policy has been checked.
data_unit_size unit_size_of(const encryption_policy& policy, const crypto_traits& traits) noexcept;

} // namespace blkcrypto::fsdemo
