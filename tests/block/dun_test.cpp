// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/dun.hpp"
#include "tests/block/block_cases.hpp"
#include "tests/support/property.hpp"

using namespace blkcrypto;
using namespace blkcrypto::test;

TEST_CASE("a DUN moves on by data units with carry across its four limbs and wraps silently" * PROPERTY(1)) {
    dun number(7);
    number += 3;
    CHECK(number == dun(10));
    number = dun(ones);
    number += 1;
    CHECK(number == dun(uint256(0, 1, 0, 0)));
    number = dun(uint256(ones, ones, ones, 7));
    number += ones;
    CHECK(number == dun(uint256(ones - 1, 0, 0, 8)));
    number = dun(greatest);
    number += 2;
    CHECK(number == dun(1));
}

TEST_CASE("data is followed by the DUN that is its units later, by no other, and by none over the wrap" *
          PROPERTY(2)) {
    random_source random(test_seed());
    for (int i = 0; i < 2000; ++i) {
        uint256 value;
        for (auto& limb : value.limbs)
            limb = random.below(2) == 0 ? ones - random.below(3) : random.next();
        const auto unit = unit_of(512U << random.below(8));
        const std::uint64_t units = random.below(6);
        uint256 after = value;
        bool wraps = false;
        for (std::uint64_t unit_number = 0; unit_number < units; ++unit_number)
            wraps = after.add(1) || wraps;
        const dun first(value), next(after);
        CHECK(first.is_contiguous(units * unit.bytes(), unit, next) == !wraps);
        dun other = next;
        other += 1 + random.below(ones);
        CHECK_FALSE(first.is_contiguous(units * unit.bytes(), unit, other));
    }
}

TEST_CASE("the DUN after some data is contiguous and no other is") {
    const dun first(100);
    CHECK(first.is_contiguous(8192, unit_of(4096), dun(102)));
    CHECK(first.is_contiguous(8192, unit_of(512), dun(116)));
    CHECK(first.is_contiguous(0, unit_of(512), first));
    CHECK_FALSE(first.is_contiguous(8192, unit_of(4096), dun(101)));
    CHECK_FALSE(first.is_contiguous(8192, unit_of(4096), dun(103)));
    CHECK_FALSE(first.is_contiguous(8192, unit_of(4096), dun(uint256(102, 1, 0, 0))));
}

TEST_CASE("contiguity carries into the next limb") {
    CHECK(dun(ones).is_contiguous(4096, unit_of(4096), dun(uint256(0, 1, 0, 0))));
    CHECK_FALSE(dun(ones).is_contiguous(4096, unit_of(4096), dun(0)));
    CHECK(dun(uint256(ones, ones, ones, 4)).is_contiguous(1024, unit_of(512), dun(uint256(1, 0, 0, 5))));
}

TEST_CASE("no run of data is contiguous over the wrap") {
    CHECK_FALSE(dun(greatest).is_contiguous(512, unit_of(512), dun(0)));
    CHECK_FALSE(dun(greatest).is_contiguous(1024, unit_of(512), dun(1)));
    CHECK(dun(uint256(ones - 1, ones, ones, ones)).is_contiguous(512, unit_of(512), dun(greatest)));
}

TEST_CASE("a DUN needs as many bytes as its value has") {
    CHECK(dun(0).significant_bytes() == 1);
    CHECK(dun(256).significant_bytes() == 2);
    CHECK(dun(greatest).significant_bytes() == 32);
}
