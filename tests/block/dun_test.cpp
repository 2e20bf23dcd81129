// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/dun.hpp"
#include "tests/block/block_cases.hpp"

using namespace blkcrypto;
using namespace blkcrypto::test;

TEST_CASE("a DUN moves on by data units with carry and wraps silently") {
    dun number(7);
    number += 3;
    CHECK(number == dun(10));
    number = dun(ones);
    number += 1;
    CHECK(number == dun(uint256(0, 1, 0, 0)));
    number = dun(greatest);
    number += 2;
    CHECK(number == dun(1));
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
