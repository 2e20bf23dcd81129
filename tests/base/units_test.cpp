// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/units.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;

TEST_CASE("a data unit size is a power of two from 512 to 65536") {
    for (std::uint32_t bytes = 512; bytes <= 65536; bytes *= 2) {
        CAPTURE(bytes);
        const auto made = data_unit_size::make(bytes);
        REQUIRE(made.has_value());
        CHECK(made->bytes() == bytes);
        CHECK((1U << made->bits()) == bytes);
    }
    for (const std::uint64_t bytes : {0UL, 1UL, 256UL, 511UL, 513UL, 1536UL, 4095UL, 65535UL, 131072UL,
                                      (1UL << 32) + 4096, 1UL << 32, 1UL << 63}) {
        CAPTURE(bytes);
        CHECK(data_unit_size::make(bytes).error() == std::errc::invalid_argument);
    }
}

TEST_CASE("a length divides into data units or it does not") {
    const auto unit = *data_unit_size::make(4096);
    CHECK(unit.divides(0));
    CHECK(unit.divides(8192));
    CHECK_FALSE(unit.divides(8192 + 512));
    CHECK(unit.divides(std::uint64_t{1} << 40));
    CHECK(unit.units_in(8191) == 1);
    CHECK(unit.units_in(8192) == 2);
}

TEST_CASE("sectors and bytes convert by 512") {
    CHECK(to_bytes(sector{3}) == byte_count{1536});
    CHECK(to_sectors_exact(byte_count{1536}) == sector{3});
    CHECK(to_sectors_floor(byte_count{1535}) == sector{2});
    CHECK(is_whole_sectors(byte_count{1024}));
    CHECK_FALSE(is_whole_sectors(byte_count{1025}));
}
