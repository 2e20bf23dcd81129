// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/crypto_capabilities.hpp"
#include "blkcrypto/block/limits.hpp"
#include "tests/block/block_cases.hpp"

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

crypto_capabilities capabilities_of(crypto_mode mode, std::uint32_t unit_sizes, std::uint8_t dun_bytes_max) {
    crypto_capabilities made;
    made.unit_sizes[mode_index(mode)] = unit_sizes;
    made.dun_bytes_max = dun_bytes_max;
    return made;
}

} // namespace

TEST_CASE("capabilities unite to what either can do") {
    crypto_capabilities one, other;
    one.unit_sizes[mode_index(crypto_mode::aes_256_xts)] = 512 | 4096;
    one.dun_bytes_max = 8;
    other.unit_sizes[mode_index(crypto_mode::aes_256_xts)] = 4096 | 65536;
    other.unit_sizes[mode_index(crypto_mode::adiantum)] = 4096;
    other.dun_bytes_max = 32;
    crypto_capabilities both = one;
    both.unite(other);
    CHECK(both.unit_sizes[mode_index(crypto_mode::aes_256_xts)] == (512 | 4096 | 65536));
    CHECK(both.unit_sizes[mode_index(crypto_mode::adiantum)] == 4096);
    CHECK(both.dun_bytes_max == 32);
}

TEST_CASE("a configuration is supported if mode and unit size and DUN width and key type are") {
    const auto can = capabilities_of(crypto_mode::aes_256_xts, 512 | 4096, 8);
    CHECK(can.supports({crypto_mode::aes_256_xts, unit_of(4096), 8}));
    CHECK(can.supports({crypto_mode::aes_256_xts, unit_of(512), 1}));
    CHECK_FALSE(can.supports({crypto_mode::aes_256_xts, unit_of(1024), 8}));
    CHECK_FALSE(can.supports({crypto_mode::aes_256_xts, unit_of(8192), 8}));
    CHECK_FALSE(can.supports({crypto_mode::aes_256_xts, unit_of(4096), 9}));
    CHECK_FALSE(can.supports({crypto_mode::adiantum, unit_of(4096), 8}));
    CHECK_FALSE(can.supports({crypto_mode::invalid, unit_of(4096), 8}));
    CHECK_FALSE(can.supports({crypto_mode::aes_256_xts, unit_of(4096), 8, crypto_key_type::hw_wrapped}));
}

TEST_CASE("all unit sizes are all of them and nothing else") {
    std::uint32_t mask = 0;
    for (std::uint32_t bytes = data_unit_size::min_bytes; bytes <= data_unit_size::max_bytes; bytes *= 2)
        mask |= bytes;
    CHECK(all_unit_sizes == mask);
}

TEST_CASE("the intersection can do what both can") {
    auto both = capabilities_of(crypto_mode::aes_256_xts, 512 | 4096, 16);
    both.unit_sizes[mode_index(crypto_mode::adiantum)] = 4096;
    auto other = capabilities_of(crypto_mode::aes_256_xts, 4096 | 8192, 8);
    other.unit_sizes[mode_index(crypto_mode::sm4_xts)] = 4096;
    both.intersect(other);
    CHECK(both.dun_bytes_max == 8);
    CHECK(both.unit_sizes[mode_index(crypto_mode::aes_256_xts)] == 4096);
    CHECK(both.unit_sizes[mode_index(crypto_mode::adiantum)] == 0);
    CHECK(both.unit_sizes[mode_index(crypto_mode::sm4_xts)] == 0);
    other.intersect(both);
    CHECK(other.dun_bytes_max == 8);
    CHECK(other.unit_sizes == both.unit_sizes);
}

TEST_CASE("nothing is left of an intersection with nothing") {
    auto can = capabilities_of(crypto_mode::aes_256_xts, all_unit_sizes, 32);
    can.intersect({});
    CHECK(can.dun_bytes_max == 0);
    CHECK(can.unit_sizes == crypto_capabilities().unit_sizes);
}

TEST_CASE("stacked limits are the stricter ones") {
    queue_limits upper{512, 16};
    upper.intersect({4096, 4});
    CHECK(upper.logical_block_size_bytes == 4096);
    CHECK(upper.memory_alignment_bytes == 16);
}
