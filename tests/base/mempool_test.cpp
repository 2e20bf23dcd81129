// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/mempool.hpp"
#include "tests/support/allocation_counter.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace blkcrypto;

namespace {

struct pooled {
    explicit pooled(int& counter) : counter_(counter) { ++counter_; }
    ~pooled() { --counter_; }
    int& counter_;
};

} // namespace

TEST_CASE("a pool gives each object once and then none") {
    int alive = 0;
    mempool<pooled> pool(3, alive);
    CHECK(alive == 3);
    std::set<pooled*> taken;
    for (int i = 0; i < 3; ++i)
        taken.insert(pool.try_get());
    CHECK(taken.size() == 3);
    CHECK_FALSE(taken.contains(nullptr));
    CHECK(pool.try_get() == nullptr);
    for (pooled* object : taken)
        pool.put(*object);
    CHECK(pool.is_whole());
    CHECK(alive == 3);
}

TEST_CASE("the object put back last is the next one given") {
    int alive = 0;
    mempool<pooled> pool(2, alive);
    pooled* first = pool.try_get();
    pooled* second = pool.try_get();
    CHECK_FALSE(pool.is_whole());
    pool.put(*second);
    pool.put(*first);
    CHECK(pool.try_get() == first);
}

TEST_CASE("a pool destroys its objects with itself and not before") {
    int alive = 0;
    {
        mempool<pooled> pool(4, alive);
        pool.put(*pool.try_get());
        CHECK(alive == 4);
    }
    CHECK(alive == 0);
}

TEST_CASE("taking from a pool allocates nothing") {
    if (!test::allocation_counter::available())
        return;
    int alive = 0;
    mempool<pooled> pool(8, alive);
    const test::allocation_counter allocations;
    for (int round = 0; round < 100; ++round)
        pool.put(*pool.try_get());
    const auto made = allocations.count();
    CHECK(made == 0);
}
