// SPDX-License-Identifier: Apache-2.0
#pragma once
// An SM4-XTS key, expanded, for this library's own code, which only reads it. GB/T 32907-2016, 7.3 (the key
// expansion of SM4); IEEE 1619-2007, 5.1 (two keys).

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/cipher/cpu_features.hpp"

#include <array>
#include <system_error>

namespace blkcrypto {

inline constexpr std::size_t sm4_rounds = 32;
inline constexpr std::size_t sm4_key_bytes = 16;
inline constexpr std::size_t sm4_xts_key_bytes = 2 * sm4_key_bytes;

using sm4_round_keys = std::array<std::uint32_t, sm4_rounds>;

inline constexpr cpu_feature_set sm4_schedule_needs{cpu_feature::ssse3, cpu_feature::sse4_1,
                                                    cpu_feature::aes};

struct alignas(64) sm4_xts_schedule {
    sm4_round_keys encrypt; // of the first half of the key
    sm4_round_keys decrypt; // the same, the last one first
    sm4_round_keys tweak;   // of the second half: tweaks are encrypted in both directions

    /// EINVAL as of check_xts_key(); what was there before stays. Allocates nothing; leaves no round key in
    /// registers or on the stack. Needs sm4_schedule_needs.
    std::error_code setkey(bytes_view key) noexcept;
};
static_assert(sizeof(sm4_xts_schedule) == 384);

} // namespace blkcrypto
