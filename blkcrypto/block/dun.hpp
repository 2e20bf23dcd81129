// SPDX-License-Identifier: Apache-2.0
#pragma once
// The data unit number: a 256-bit integer that says which IV a data unit is encrypted under. The first data
// unit of a bio has the DUN of its crypto context, each following one a DUN greater by one, wrapping mod
// 2^256 (bio_crypt_dun_increment() of block/blk-crypto.c).

#include "blkcrypto/base/uint256.hpp"
#include "blkcrypto/base/units.hpp"

namespace blkcrypto {

class dun {
  public:
    constexpr dun() = default;
    constexpr explicit dun(const uint256& value) : value_(value) {}
    constexpr explicit dun(std::uint64_t value) : value_(value) {}

    constexpr const uint256& value() const { return value_; }

    /// Moves on by a number of data units; wraps silently.
    constexpr dun& operator+=(std::uint64_t data_units) {
        value_.add(data_units);
        return *this;
    }

    /// True if `next` is the DUN that follows `bytes` of data starting at this one. A run of data may not go
    /// over the wrap (bio_crypt_dun_is_contiguous()).
    constexpr bool is_contiguous(std::uint64_t bytes, data_unit_size unit_size, const dun& next) const {
        uint256 sum = value_;
        return !sum.add(unit_size.units_in(bytes)) && sum == next.value_;
    }

    /// The number of bytes a crypto key must declare (dun_bytes) to use it.
    constexpr unsigned significant_bytes() const { return value_.significant_bytes(); }

    constexpr bool operator==(const dun&) const = default;

  private:
    uint256 value_;
};

} // namespace blkcrypto
