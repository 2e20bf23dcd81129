// SPDX-License-Identifier: Apache-2.0
#pragma once
// An AES-256-XTS key, expanded: the round keys of both directions and of the tweak, in memory that the caller
// provides, whose size is known when the program is compiled. For this library's own AES-XTS code, which only
// reads it: any number of threads may use one at once.
//
// IEEE 1619-2007, 5.1: two AES keys.

#include "blkcrypto/cipher/aes_schedule.hpp"

#include <system_error>

namespace blkcrypto {

inline constexpr std::size_t aes_256_xts_key_bytes = 64;

struct alignas(64) aes_xts_schedule {
    aes_256_round_keys encrypt; // of the first half of the key
    aes_256_round_keys decrypt; // in the order of use, for the equivalent inverse cipher
    aes_256_round_keys tweak;   // of the second half: tweaks are encrypted in both directions

    /// EINVAL as of check_xts_key(); what was there before stays.
    std::error_code setkey(bytes_view key) noexcept;
};
static_assert(sizeof(aes_xts_schedule) == 768);

/// Allocates nothing and cannot fail; leaves no round key in registers. Whoever owns the memory zeroizes it.
/// Needs aes_schedule_needs.
void expand_aes_xts_key(std::span<const std::byte, aes_256_xts_key_bytes> key,
                        aes_xts_schedule& schedule) noexcept;

} // namespace blkcrypto
