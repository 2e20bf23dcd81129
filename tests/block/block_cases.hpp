// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys, observers and memory that the tests of this layer have in common.

#include "blkcrypto/block/bio.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <memory>
#include <vector>

namespace blkcrypto::test {

inline constexpr std::uint64_t ones = std::numeric_limits<std::uint64_t>::max();
inline constexpr uint256 greatest{ones, ones, ones, ones};

inline data_unit_size unit_of(std::uint32_t bytes) {
    return data_unit_size::make(bytes).value();
}

inline std::unique_ptr<crypto_key> make_key(std::uint32_t unit_bytes, std::uint64_t stream = 1) {
    const crypto_config config{crypto_mode::aes_256_xts, unit_of(unit_bytes), 8};
    auto made = crypto_key::make(random_bytes(64, test_seed() + stream), config);
    REQUIRE(made.has_value());
    return std::move(*made);
}

/// Counts ends and remembers the last one.
struct counting_end_io final : bio_end_io {
    void end_io(bio& ended) noexcept override {
        ++ends;
        status = ended.status;
        last = &ended;
    }
    int ends = 0;
    blk_status status = blk_status::ok;
    bio* last = nullptr;
};

/// `bytes` of memory as one segment.
struct one_segment {
    explicit one_segment(std::uint32_t bytes) : memory(bytes), segments{{memory.data(), bytes}} {}
    std::vector<std::byte> memory;
    std::vector<bio_vec> segments;
};

} // namespace blkcrypto::test
