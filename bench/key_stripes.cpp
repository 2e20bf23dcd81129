// SPDX-License-Identifier: Apache-2.0
#include "bench/key_stripes.hpp"

#include "bench/seeded.hpp"

#include <algorithm>
#include <array>

namespace blkcrypto::bench {

key_stripes::key_stripes(std::uint64_t size_bytes, data_unit_size unit_size, std::uint64_t keys) noexcept
    : size_bytes_(size_bytes), unit_size_(unit_size), keys_(keys),
      stripe_bytes_(unit_size.units_in(size_bytes / keys) << unit_size.bits()) {
    assert(unit_size.divides(size_bytes) && stripe_bytes_ != 0);
}

std::uint64_t key_stripes::key_index_at(std::uint64_t offset_bytes) const noexcept {
    return std::min(offset_bytes / stripe_bytes_, keys_ - 1);
}

std::uint64_t key_stripes::length_in_stripe(std::uint64_t offset_bytes,
                                            std::uint64_t length_bytes) const noexcept {
    const std::uint64_t index = key_index_at(offset_bytes);
    const std::uint64_t end_bytes = index == keys_ - 1 ? size_bytes_ : (index + 1) * stripe_bytes_;
    return std::min(length_bytes, end_bytes - offset_bytes);
}

std::uint64_t key_stripes::pieces_max(std::uint64_t length_bytes) const noexcept {
    // Pieces but the first and the last are whole stripes, and those two have a unit each.
    const std::uint64_t between =
        length_bytes - std::min<std::uint64_t>(length_bytes, 2 * unit_size_.bytes());
    const std::uint64_t pieces = std::min(between / stripe_bytes_ + 2, unit_size_.units_in(length_bytes));
    return std::min(std::max<std::uint64_t>(pieces, 1), keys_);
}

std::uint8_t key_stripes::dun_bytes() const noexcept {
    const dun last(unit_size_.units_in(size_bytes_) - 1);
    return static_cast<std::uint8_t>(std::max(last.significant_bytes(), 1U));
}

result<benchmark_keys> benchmark_keys::make(const key_stripes& stripes, crypto_mode mode,
                                            std::uint64_t seed) {
    const crypto_config config{mode, stripes.unit_size(), stripes.dun_bytes()};
    const std::size_t key_bytes = find_mode(mode)->key_size_bytes;
    std::array<std::byte, raw_key_size_max_bytes> bytes{};
    // A piece of its own for each mode: a key that is longer does not begin as another mode's.
    const std::uint64_t mode_offset_bytes = (mode_index(mode) - 1) * bytes.size();
    benchmark_keys made;
    made.keys_.reserve(stripes.keys());
    for (std::uint64_t i = 0; i < stripes.keys(); ++i) {
        fill_content(sub_seed(seed, i), mode_offset_bytes, bytes);
        auto key = crypto_key::make(bytes_view(bytes).first(key_bytes), config);
        if (key.has_error())
            return key.error();
        made.keys_.push_back(std::move(*key));
    }
    return made;
}

} // namespace blkcrypto::bench
