// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which key covers which part of an image, and the keys. Key i covers the i-th stripe of floor(size / keys)
// rounded down to whole data units; the last one covers the rest. A data unit's DUN is its index within the
// image, so that no two units share an IV even under one key.

#include "blkcrypto/block/crypto_key.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace blkcrypto::bench {

/// Where the stripes are. All lengths are whole data units; there are no more keys than units.
class key_stripes {
  public:
    key_stripes(std::uint64_t size_bytes, data_unit_size unit_size, std::uint64_t keys) noexcept;

    std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    data_unit_size unit_size() const noexcept { return unit_size_; }
    std::uint64_t keys() const noexcept { return keys_; }
    std::uint64_t stripe_bytes() const noexcept { return stripe_bytes_; }

    std::uint64_t key_index_at(std::uint64_t offset_bytes) const noexcept;

    /// How much of `length_bytes` from the offset on lies in one stripe.
    std::uint64_t length_in_stripe(std::uint64_t offset_bytes, std::uint64_t length_bytes) const noexcept;

    /// Into how many pieces, at most, the edges of stripes cut an I/O of that length.
    std::uint64_t pieces_max(std::uint64_t length_bytes) const noexcept;

    dun dun_at(std::uint64_t offset_bytes) const noexcept { return dun(unit_size_.units_in(offset_bytes)); }

    /// The least number of bytes that every DUN fits.
    std::uint8_t dun_bytes() const noexcept;

  private:
    std::uint64_t size_bytes_;
    data_unit_size unit_size_;
    std::uint64_t keys_;
    std::uint64_t stripe_bytes_;
};

/// The keys of a run for one mode, made from its seed: good for benchmarks and nothing else.
class benchmark_keys {
  public:
    /// The errors of crypto_key::make().
    static result<benchmark_keys> make(const key_stripes& stripes, crypto_mode mode, std::uint64_t seed);

    const crypto_key& operator[](std::uint64_t index) const noexcept { return *keys_[index]; }
    std::uint64_t size() const noexcept { return keys_.size(); }

  private:
    std::vector<std::unique_ptr<crypto_key>> keys_; // bios know them by address
};

} // namespace blkcrypto::bench
