// SPDX-License-Identifier: Apache-2.0
#include "bench/key_stripes.hpp"

#include "bench/seeded.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace blkcrypto;
using bench::key_stripes;

namespace {

const data_unit_size unit_4k = *data_unit_size::make(4096);

} // namespace

TEST_CASE("stripes are rounded down to whole units and the last key takes the rest") {
    const key_stripes stripes(10 * 4096, unit_4k, 3);
    CHECK(stripes.stripe_bytes() == 3 * 4096);
    CHECK(stripes.key_index_at(0) == 0);
    CHECK(stripes.key_index_at(3 * 4096 - 1) == 0);
    CHECK(stripes.key_index_at(3 * 4096) == 1);
    CHECK(stripes.key_index_at(9 * 4096) == 2);
    CHECK(stripes.length_in_stripe(2 * 4096, 4 * 4096) == 4096);
    CHECK(stripes.length_in_stripe(6 * 4096, 4 * 4096) == 4 * 4096);
}

TEST_CASE("a block is cut into pieces that cover it, none over an edge, never more than pieces_max") {
    bench::seeded_numbers numbers(test::test_seed());
    for (unsigned i = 0; i < 2000; ++i) {
        const std::uint64_t units = 1 + numbers.below(100);
        const key_stripes stripes(units * 4096, unit_4k, 1 + numbers.below(units));
        const std::uint64_t first = numbers.below(units);
        const std::uint64_t length = (1 + numbers.below(units - first)) * 4096;
        std::uint64_t done = 0;
        std::uint64_t pieces = 0;
        for (; done < length; ++pieces) {
            const std::uint64_t at = first * 4096 + done;
            const std::uint64_t piece = stripes.length_in_stripe(at, length - done);
            REQUIRE(piece != 0);
            CHECK(stripes.key_index_at(at) == stripes.key_index_at(at + piece - 1));
            CHECK(piece % 4096 == 0);
            done += piece;
        }
        CHECK(done == length);
        CHECK(pieces <= stripes.pieces_max(length));
    }
}

TEST_CASE("dun_bytes is the least that the image's last unit fits") {
    CHECK(key_stripes(4096, unit_4k, 1).dun_bytes() == 1);
    CHECK(key_stripes(256 * 4096, unit_4k, 1).dun_bytes() == 1);
    CHECK(key_stripes(257 * 4096, unit_4k, 1).dun_bytes() == 2);
    CHECK(key_stripes(std::uint64_t{1} << 44, unit_4k, 1).dun_bytes() == 4);
    CHECK(key_stripes((std::uint64_t{1} << 44) + 4096, unit_4k, 1).dun_bytes() == 5);
}

TEST_CASE(
    "keys differ from each other, between seeds and between modes, and are the same for the same seed") {
    const key_stripes stripes(4 * 4096, unit_4k, 2);
    const auto bytes_of = [&](std::uint64_t seed, std::uint64_t index,
                              crypto_mode mode = crypto_mode::aes_256_xts) {
        const auto keys = bench::benchmark_keys::make(stripes, mode, seed);
        auto bytes = *secret::make(secret::capacity);
        CHECK(!(*keys)[index].derive(bytes));
        return std::vector<std::byte>(bytes.bytes().begin(), bytes.bytes().end());
    };
    CHECK(bytes_of(1, 0) == bytes_of(1, 0));
    CHECK(bytes_of(1, 0) != bytes_of(1, 1));
    CHECK(bytes_of(1, 0) != bytes_of(2, 0));
    std::set<std::uint64_t> beginnings;
    for (const auto& mode : crypto_modes()) {
        const auto bytes = bytes_of(1, 0, mode.mode);
        CHECK(bytes.size() == mode.key_size_bytes);
        CHECK(beginnings.insert(load_little<std::uint64_t>(bytes.data())).second);
    }
}
