// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an engine, or the fallback, can do: modes with their data unit sizes, and how wide a DUN may be (the
// capability part of struct blk_crypto_profile). Kept apart from the keyslots so that a device can say it
// without a reader having to know how slots work.

#include "blkcrypto/block/crypto_key.hpp"

#include <array>
#include <cstdint>

namespace blkcrypto {

struct crypto_capabilities {
    /// By mode: the OR of the data unit sizes in bytes (bit 12 set: units of 4096).
    std::array<std::uint32_t, crypto_mode_count> unit_sizes{};
    std::uint8_t dun_bytes_max = 0;

    bool supports(const crypto_config& config) const noexcept;

    /// blk_crypto_intersect_capabilities(): what this and `other` can both do.
    void intersect(const crypto_capabilities& other) noexcept;

    /// What this or `other` can do; and, where the one has wider DUNs than the other, what both together
    /// could.
    void unite(const crypto_capabilities& other) noexcept;
};

/// Every data unit size there is, as a mask.
inline constexpr std::uint32_t all_unit_sizes = 2 * data_unit_size::max_bytes - data_unit_size::min_bytes;

} // namespace blkcrypto
