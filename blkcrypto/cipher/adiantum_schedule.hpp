// SPDX-License-Identifier: Apache-2.0
#pragma once
// An Adiantum key, expanded, for this library's own code with AES instructions, which only reads it.

#include "blkcrypto/cipher/adiantum_keys.hpp"
#include "blkcrypto/cipher/aes_schedule.hpp"

#include <system_error>

namespace blkcrypto {

struct alignas(64) adiantum_schedule {
    adiantum_keys keys;
    aes_256_round_keys encrypt; // of the block at the end of a unit
    aes_256_round_keys decrypt;

    /// EINVAL: another length than 32 bytes; what was there before stays. Allocates nothing; leaves no key in
    /// registers or on the stack. Needs aes_schedule_needs.
    std::error_code setkey(bytes_view key) noexcept;
};
static_assert(sizeof(adiantum_schedule) == 2752);

} // namespace blkcrypto
