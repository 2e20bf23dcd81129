// SPDX-License-Identifier: Apache-2.0
#pragma once
// The IVs of consecutive data units. In blk-crypto a unit's IV is its DUN, so that of the next unit is one
// more. `shift` is this library's extension: the IV of the next unit is 2^shift more. LUKS2 volumes with
// sectors of 4096 bytes need it (shift 3): their plain64 IV counts 512-byte sectors, as dm-crypt does without
// iv_large_sectors.

#include "blkcrypto/base/uint256.hpp"

#include <cassert>

namespace blkcrypto {

struct iv_sequence {
    /// The largest unit, counted in 512-byte sectors.
    static constexpr unsigned shift_max = 7;

    uint256 first; // of the unit that comes next
    unsigned shift = 0;

    constexpr iv_sequence(std::uint64_t first_iv) : first(first_iv) {}
    constexpr iv_sequence(const uint256& first_iv, unsigned iv_shift = 0) : first(first_iv), shift(iv_shift) {
        assert(iv_shift <= shift_max);
    }

    /// Goes on by so many units, mod 2^256.
    constexpr void skip(std::uint64_t units) { first.add(units << shift); }
};

} // namespace blkcrypto
