// SPDX-License-Identifier: Apache-2.0
#pragma once
// The mode table: what blk-crypto can be asked to encrypt with (enum blk_crypto_mode_num and
// blk_crypto_modes[] of block/blk-crypto.c). All modes are here whether or not this build has an
// implementation of them: a mode without one is known, and refused with ENOPKG when somebody wants to use it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace blkcrypto {

/// Values as in the kernel.
enum class crypto_mode : std::uint8_t {
    invalid = 0,
    aes_256_xts = 1,
    aes_128_cbc_essiv = 2,
    adiantum = 3,
    sm4_xts = 4
};

inline constexpr std::size_t crypto_mode_count = 5; // with invalid: the size of tables indexed by mode

struct crypto_mode_info {
    crypto_mode mode;
    std::string_view name;        // ours, on command lines and in JSON
    std::string_view kernel_name; // in sysfs
    std::string_view cipher_str;  // what the kernel's fallback allocates
    unsigned key_size_bytes;
    unsigned security_strength_bytes;
    unsigned iv_size_bytes; // the IV is this many bytes of the little-endian DUN
};

inline constexpr unsigned raw_key_size_max_bytes = 64;
inline constexpr unsigned iv_size_max_bytes = 32;

/// The modes but `invalid`, in the order of their values.
std::span<const crypto_mode_info> crypto_modes() noexcept;

/// Null for invalid and for anything outside the enum.
const crypto_mode_info* find_mode(crypto_mode mode) noexcept;

/// By our name; null if there is none.
const crypto_mode_info* find_mode(std::string_view name) noexcept;

constexpr std::size_t mode_index(crypto_mode mode) {
    return static_cast<std::size_t>(mode);
}

} // namespace blkcrypto
