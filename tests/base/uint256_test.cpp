// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/uint256.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <limits>

using namespace blkcrypto;

namespace {

constexpr std::uint64_t ones = std::numeric_limits<std::uint64_t>::max();

// The sum a byte at a time: slow, and not how add() does it.
uint256 sum_by_bytes(const uint256& a, std::uint64_t b, bool& carried) {
    uint256 sum;
    unsigned carry = 0;
    for (unsigned i = 0; i < 32; ++i) {
        const unsigned shift = i % 8 * 8;
        const unsigned added = i < 8 ? static_cast<unsigned>(b >> shift & 0xff) : 0;
        const unsigned digit = static_cast<unsigned>(a.limbs[i / 8] >> shift & 0xff) + added + carry;
        sum.limbs[i / 8] |= std::uint64_t{digit & 0xff} << shift;
        carry = digit >> 8;
    }
    carried = carry != 0;
    return sum;
}

} // namespace

TEST_CASE("an addition carries into as many limbs as it must") {
    uint256 value(ones);
    CHECK_FALSE(value.add(1));
    CHECK(value == uint256(0, 1, 0, 0));
    value = uint256(ones, ones, 7, 0);
    CHECK_FALSE(value.add(3));
    CHECK(value == uint256(2, 0, 8, 0));
    value = uint256(ones - 1, ones, ones, 5);
    CHECK_FALSE(value.add(2));
    CHECK(value == uint256(0, 0, 0, 6));
}

TEST_CASE("an addition over 2^256 wraps and says so") {
    uint256 value(ones, ones, ones, ones);
    CHECK(value.add(1));
    CHECK(value == uint256(0));
    value = uint256(ones, ones, ones, ones);
    CHECK(value.add(ones));
    CHECK(value == uint256(ones - 1, 0, 0, 0));
    value = uint256(ones, ones, ones, ones);
    CHECK_FALSE(value.add(0));
    CHECK(value == uint256(ones, ones, ones, ones));
}

TEST_CASE("additions agree with a sum made byte by byte") {
    test::random_source random(test::test_seed());
    const auto limb = [&] { return random.below(3) == 0 ? ones - random.below(3) : random.next(); };
    for (int round = 0; round < 2000; ++round) {
        const uint256 a(limb(), limb(), limb(), limb());
        const std::uint64_t b = limb();
        bool carried = false;
        const uint256 expected = sum_by_bytes(a, b, carried);
        uint256 sum = a;
        const bool carry = sum.add(b);
        CHECK(carry == carried);
        CHECK(sum == expected);
    }
}

TEST_CASE("comparison looks at the most significant limb first") {
    CHECK(uint256(0, 0, 0, 1) > uint256(ones, ones, ones, 0));
    CHECK(uint256(1, 0, 0, 1) > uint256(0, 0, 0, 1));
    CHECK((uint256(5) <=> uint256(5)) == std::strong_ordering::equal);
    CHECK(uint256(0, 2, 0, 0) < uint256(0, 3, 0, 0));
}

TEST_CASE("significant bytes are those up to the highest that is not zero") {
    CHECK(uint256(0).significant_bytes() == 1);
    CHECK(uint256(1).significant_bytes() == 1);
    CHECK(uint256(0xff).significant_bytes() == 1);
    CHECK(uint256(0x100).significant_bytes() == 2);
    CHECK(uint256(std::uint64_t{1} << 32).significant_bytes() == 5);
    CHECK(uint256(ones).significant_bytes() == 8);
    CHECK(uint256(0, 1, 0, 0).significant_bytes() == 9);
    CHECK(uint256(0, 0, 0x1234, 0).significant_bytes() == 18);
    CHECK(uint256(0, 0, 0, ones).significant_bytes() == 32);
}

TEST_CASE("little-endian bytes begin with the least significant one") {
    const auto bytes = uint256(0x0102030405060708, 0x09, 0, 0xa0ULL << 56).little_endian();
    CHECK(bytes[0] == std::byte{0x08});
    CHECK(bytes[7] == std::byte{0x01});
    CHECK(bytes[8] == std::byte{0x09});
    CHECK(bytes[15] == std::byte{0});
    CHECK(bytes[31] == std::byte{0xa0});
}
