// SPDX-License-Identifier: Apache-2.0
#pragma once
// An AES-256-XTS key, expanded: the round keys of both directions and of the tweak, in memory that the caller
// provides, whose size is known when the program is compiled. For this library's own AES-XTS code, which only
// reads it: any number of threads may use one at once.
//
// FIPS 197, 5.2 (key expansion) and 5.3.5 (the equivalent inverse cipher); IEEE 1619-2007, 5.1 (two keys).

#include "blkcrypto/base/bytes.hpp"

#include <array>
#include <span>

namespace blkcrypto {

inline constexpr std::size_t aes_block_bytes = 16;
inline constexpr std::size_t aes_256_rounds = 14;
inline constexpr std::size_t aes_256_xts_key_bytes = 64;

using aes_256_round_keys = std::array<std::array<std::byte, aes_block_bytes>, aes_256_rounds + 1>;

struct alignas(64) aes_xts_schedule {
    aes_256_round_keys encrypt; // of the first half of the key
    aes_256_round_keys decrypt; // in the order of use, for the equivalent inverse cipher
    aes_256_round_keys tweak;   // of the second half: tweaks are encrypted in both directions
};
static_assert(sizeof(aes_xts_schedule) == 768);

/// Allocates nothing and cannot fail; leaves no round key in registers. Whoever owns the memory zeroizes it.
/// Needs cpu_feature aes, ssse3 and sse4_1.
void expand_aes_xts_key(std::span<const std::byte, aes_256_xts_key_bytes> key,
                        aes_xts_schedule& schedule) noexcept;

} // namespace blkcrypto
