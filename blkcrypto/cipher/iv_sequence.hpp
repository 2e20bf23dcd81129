// SPDX-License-Identifier: Apache-2.0
#pragma once
// The IVs of consecutive data units. In blk-crypto a unit's IV is its DUN, so that of the next unit is one
// more. `shift` is this library's extension: the IV of the next unit is 2^shift more. LUKS2 volumes with
// sectors of 4096 bytes need it (shift 3): their plain64 IV counts 512-byte sectors, as dm-crypt does without
// iv_large_sectors.

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/base/uint256.hpp"

namespace blkcrypto {

class iv_sequence {
  public:
    /// The largest unit, counted in 512-byte sectors.
    static constexpr unsigned shift_max = 7;

    constexpr iv_sequence(std::uint64_t first_iv) : next_(first_iv) {}
    /// `shift`: at most shift_max, or the process ends.
    constexpr iv_sequence(const uint256& first_iv, unsigned shift = 0) : next_(first_iv), shift_(shift) {
        if (shift > shift_max)
            fatal("iv_sequence: a shift that no data unit size needs");
    }

    /// Of the unit that comes next.
    constexpr const uint256& next() const { return next_; }
    constexpr unsigned shift() const { return shift_; }

    /// Goes on by so many units, mod 2^256. They are fewer than 2^57, as memory holds fewer.
    constexpr void skip(std::uint64_t units) { next_.add(units << shift_); }

    constexpr bool operator==(const iv_sequence&) const = default;

  private:
    uint256 next_;
    unsigned shift_ = 0;
};

} // namespace blkcrypto
