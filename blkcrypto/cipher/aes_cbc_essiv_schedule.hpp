// SPDX-License-Identifier: Apache-2.0
#pragma once
// An AES-128-CBC-ESSIV key, expanded, for this library's own code, which only reads it.

#include "blkcrypto/cipher/aes_schedule.hpp"

#include <system_error>

namespace blkcrypto {

struct alignas(64) aes_cbc_essiv_schedule {
    aes_128_round_keys encrypt;
    aes_128_round_keys decrypt; // in the order of use, for the equivalent inverse cipher
    aes_256_round_keys iv;      // of the key's SHA-256: IVs are encrypted in both directions

    /// EINVAL: another length than 16 bytes; what was there before stays. Allocates nothing; leaves no round
    /// key in registers. Needs aes_schedule_needs.
    std::error_code setkey(bytes_view key) noexcept;
};
static_assert(sizeof(aes_cbc_essiv_schedule) == 640);

} // namespace blkcrypto
