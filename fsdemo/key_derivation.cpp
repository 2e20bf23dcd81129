// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/key_derivation.hpp"

#include <algorithm>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::array contexts{
    hkdf_context_info{hkdf_context::key_identifier_for_raw_key, "KEY_IDENTIFIER_FOR_RAW_KEY"},
    hkdf_context_info{hkdf_context::per_file_enc_key, "PER_FILE_ENC_KEY"},
    hkdf_context_info{hkdf_context::direct_key, "DIRECT_KEY"},
    hkdf_context_info{hkdf_context::iv_ino_lblk_64_key, "IV_INO_LBLK_64_KEY"},
    hkdf_context_info{hkdf_context::dirhash_key, "DIRHASH_KEY"},
    hkdf_context_info{hkdf_context::iv_ino_lblk_32_key, "IV_INO_LBLK_32_KEY"},
    hkdf_context_info{hkdf_context::inode_hash_key, "INODE_HASH_KEY"},
    hkdf_context_info{hkdf_context::key_identifier_for_hw_wrapped, "KEY_IDENTIFIER_FOR_HW_WRAPPED_KEY"},
    hkdf_context_info{hkdf_context::per_extent_enc_key, "PER_EXTENT_ENC_KEY"},
};

constexpr std::string_view info_prefix{"fscrypt\0", 8};

} // namespace

std::span<const hkdf_context_info> hkdf_contexts() noexcept {
    return contexts;
}

void derive(const hkdf_sha512& master, hkdf_context context, bytes_view info, bytes_span out) noexcept {
    const auto context_byte = static_cast<std::byte>(context);
    const std::array<bytes_view, 3> pieces{std::as_bytes(std::span(info_prefix)),
                                           bytes_view(&context_byte, 1), info};
    master.expand(pieces, out);
}

bool is_valid_master_key_size(std::size_t master_key_bytes, std::size_t security_strength_bytes) noexcept {
    return master_key_bytes >= security_strength_bytes;
}

} // namespace blkcrypto::fsdemo
