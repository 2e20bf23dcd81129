// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/iv_sequence.hpp"
#include "tests/support/death.hpp"

#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;

namespace {

constexpr std::uint64_t ones = ~std::uint64_t{0};

constexpr uint256 skipped(iv_sequence ivs, std::uint64_t units) {
    ivs.skip(units);
    return ivs.next();
}

} // namespace

// What is constant is checked when the tests are compiled as well.
static_assert(skipped({uint256(5), 3}, 2) == uint256(21));

TEST_CASE("an IV sequence goes on by two to the shift for each unit") {
    CHECK(skipped(7, 0) == uint256(7));
    CHECK(skipped(7, 1) == uint256(8));
    CHECK(skipped(std::uint64_t{7}, 1000) == uint256(1007));
    for (unsigned shift = 0; shift <= iv_sequence::shift_max; ++shift) {
        CAPTURE(shift);
        CHECK(skipped({uint256(7), shift}, 0) == uint256(7));
        CHECK(skipped({uint256(7), shift}, 1) == uint256(7 + (std::uint64_t{1} << shift)));
        CHECK(skipped({uint256(7), shift}, 1000) == uint256(7 + (std::uint64_t{1000} << shift)));
    }
}

TEST_CASE("an IV sequence keeps its shift") {
    iv_sequence ivs(uint256(1), 3);
    ivs.skip(4);
    CHECK(ivs.shift() == 3);
    ivs.skip(1);
    CHECK(ivs.next() == uint256(41));
    CHECK(iv_sequence(5).shift() == 0);
    CHECK(iv_sequence(uint256(5)).shift() == 0);
}

TEST_CASE("an IV sequence carries through all limbs and wraps at 256 bits") {
    CHECK(skipped(uint256(ones, 4, 5, 6), 1) == uint256(0, 5, 5, 6));
    CHECK(skipped(uint256(ones, ones, 5, 6), 1) == uint256(0, 0, 6, 6));
    CHECK(skipped(uint256(ones, ones, ones, 6), 3) == uint256(2, 0, 0, 7));
    CHECK(skipped(uint256(ones, ones, ones, ones), 1) == uint256(0));
    CHECK(skipped({uint256(ones - 3, 4, 5, 6), 2}, 1) == uint256(0, 5, 5, 6));
    CHECK(skipped({uint256(ones - 2, ones, 5, 6), 2}, 1) == uint256(1, 0, 6, 6));
    CHECK(skipped({uint256(ones - 127, 0, 0, 0), 7}, 2) == uint256(128, 1, 0, 0));
    CHECK(skipped({uint256(ones - 128, 0, 0, 0), 7}, 1) == uint256(ones, 0, 0, 0));
}

TEST_CASE("an IV sequence gets to the same place in one step and in many") {
    test::random_source random(test::test_seed() + 50);
    for (int round = 0; round < 1000; ++round) {
        const auto shift = static_cast<unsigned>(random.below(iv_sequence::shift_max + 1));
        const uint256 first(ones - random.below(1000), random.next() % 2 == 0 ? ones : 0, random.next(), 0);
        const std::uint64_t units = random.below(20);
        iv_sequence by_one(first, shift);
        for (std::uint64_t i = 0; i < units; ++i)
            by_one.skip(1);
        CHECK(by_one.next() == skipped({first, shift}, units));
    }
}

TEST_CASE("a shift that no data unit size needs ends the process") {
    const auto make = [](void* shift) { (void)iv_sequence(uint256(0), *static_cast<unsigned*>(shift)); };
    for (unsigned shift : {iv_sequence::shift_max + 1, 64U, ~0U}) {
        CAPTURE(shift);
        CHECK(test::aborts_saying("iv_sequence", make, &shift));
    }
}
