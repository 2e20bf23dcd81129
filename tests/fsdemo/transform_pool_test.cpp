// SPDX-License-Identifier: Apache-2.0
// A pool by itself: its limit, who is stolen from, what happens when all are in use, and that no key stays.
#include "fsdemo/strategies/strategy_table.hpp"
#include "fsdemo/strategies/transform_pool.hpp"
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/support/counted_waiter.hpp"
#include "tests/support/test_cipher.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <cerrno>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

using reuse = transform_pool::reuse;
constexpr crypto_mode mode = crypto_mode::sm4_xts; // that stands in

crypto_nonce nonce_of(std::uint64_t number) {
    crypto_nonce nonce{};
    store_little(nonce.data(), number);
    return nonce;
}

/// A pool of stand-in ciphers, which can be asked whose key they hold, and extents that use it.
struct pool_rig {
    explicit pool_rig(unsigned size, reuse how, unsigned extents_count = 8)
        : stand_in(mode), e(test_seed(), &hooks),
          medium(sector{64}, completion_order::as_submitted, 1), door{e, medium, nullptr, e, nullptr},
          memory(0, 1), api(memory), fallback(*crypto_fallback::make(e, *make_tfms(), {})) {
        door.fallback = fallback.get();
        const auto bytes = master_key_bytes(1);
        master = *ring.get(*ring.add(bytes), 16);
        keys = *extent_keys::make(door, {.capacity = extents_count});
        pool = *transform_pool::make(e, api, memory, mode, size, how);
        for (unsigned n = 0; n < extents_count; ++n)
            extents.push_back(keys->get(*master, nonce_of(n), {mode, *data_unit_size::make(4096), 4}).key);
    }
    ~pool_rig() {
        for (extent_crypt_info* const extent : extents) {
            (void)pool->evict(e, *extent);
            keys->put(*extent);
        }
        pool.reset();
        CHECK(memory.figures().transforms == 0);
        CHECK(memory.figures().transform_bytes == 0);
    }

    /// So that infos can be started and evicted.
    result<std::unique_ptr<tfm_source>> make_tfms() {
        auto made = make_full_in_io(e, {});
        if (!made)
            return made.error();
        return std::unique_ptr<tfm_source>(std::move(*made));
    }

    tfm_grant acquire(unsigned extent) {
        acquire_context asker{e, parked, use};
        return pool->acquire(*extents[extent], asker);
    }
    void release(const tfm_grant& grant) { transform_pool::release(e, grant.lease); }
    void use_once(unsigned extent) {
        const tfm_grant grant = acquire(extent);
        REQUIRE(grant.outcome == acquire_outcome::ready);
        CHECK(holders_of(extent) >= 1);
        release(grant);
    }
    /// How many transforms hold the extent's key.
    int holders_of(unsigned extent) {
        std::vector<std::byte> key(find_mode(mode)->key_size_bytes);
        master->derive(hkdf_context::per_extent_enc_key, nonce_of(extent), key);
        return second_mode::tfms_with(key);
    }

    second_mode stand_in;
    tfm_counter hooks;
    simulated_env e;
    simulated_device medium;
    crypto_door door;
    transform_memory memory;
    crypto_api api;
    std::unique_ptr<crypto_fallback> fallback;
    keyring ring;
    master_key_ref master;
    std::unique_ptr<extent_keys> keys;
    std::unique_ptr<transform_pool> pool;
    std::vector<extent_crypt_info*> extents;
    keyslot_counters use;
    counted_waiter parked{e};
};

} // namespace

TEST_CASE("a pool has as many transforms as it was made with, and gives memory back with all of them") {
    for (const unsigned size : {1U, 2U, 7U}) {
        pool_rig r(size, reuse::never);
        CHECK(r.pool->size() == size);
        CHECK(second_mode::tfms() == static_cast<int>(size));
        CHECK(r.memory.figures().transforms == size);
        std::vector<tfm_grant> grants;
        for (unsigned n = 0; n < size; ++n) {
            grants.push_back(r.acquire(n));
            REQUIRE(grants.back().outcome == acquire_outcome::ready);
        }
        CHECK(r.pool->on_loan(r.e) == size);
        CHECK(r.acquire(7).outcome == acquire_outcome::parked);
        CHECK(r.use.waits == 1);
        for (const tfm_grant& grant : grants)
            r.release(grant);
        r.e.run_ready();
        CHECK(r.parked.wakes == 1);
        CHECK(r.pool->on_loan(r.e) == 0);
    }
}

TEST_CASE("the transform that was released longest ago is stolen, whatever the order of taking") {
    pool_rig r(3, reuse::found);
    const tfm_grant first = r.acquire(0), second = r.acquire(1), third = r.acquire(2);
    r.release(second);
    r.release(third);
    r.release(first);
    r.use_once(2); // now 1, 0, 2
    CHECK(r.use.hits == 1);
    r.use_once(3);
    CHECK(r.holders_of(1) == 0);
    CHECK(r.holders_of(0) == 1);
    r.use_once(4);
    CHECK(r.holders_of(0) == 0);
    CHECK(r.holders_of(2) == 1);
    r.use_once(5);
    CHECK(r.holders_of(2) == 0);
    CHECK(r.holders_of(3) == 1);
    CHECK(r.use.evictions == 3);
    CHECK(r.use.misses == 6);
}

TEST_CASE("a pool without a map keys what it takes each time, one with a map finds what nobody stole") {
    for (const reuse how : {reuse::never, reuse::found}) {
        pool_rig r(2, how);
        for (int times = 0; times < 5; ++times)
            r.use_once(0);
        CHECK(r.use.hits == (how == reuse::found ? 4U : 0U));
        CHECK(r.use.misses == (how == reuse::found ? 1U : 5U));
        CHECK(r.holders_of(0) == (how == reuse::found ? 1 : 2));
        r.use_once(1);
        r.use_once(2); // in the place of 0
        r.use_once(0);
        CHECK(r.use.hits == (how == reuse::found ? 4U : 0U));
    }
}

TEST_CASE("a transform that is found is lent to any number at once, and is idle when the last has it back") {
    pool_rig r(1, reuse::found);
    const tfm_grant one = r.acquire(0), two = r.acquire(0), three = r.acquire(0);
    CHECK(one.lease.tfm == two.lease.tfm);
    CHECK(one.lease.tfm == three.lease.tfm);
    r.release(two);
    r.release(one);
    CHECK(r.acquire(1).outcome == acquire_outcome::parked);
    r.release(three);
    r.e.run_ready();
    CHECK(r.parked.wakes == 1);
    r.use_once(1);
    CHECK(r.holders_of(0) == 0);
}

TEST_CASE("of those that wait each release wakes one, and one that did not need it wakes the next") {
    pool_rig r(1, reuse::found);
    const tfm_grant held = r.acquire(0);
    std::vector<std::unique_ptr<counted_waiter>> waiters;
    for (int n = 0; n < 3; ++n) {
        waiters.push_back(std::make_unique<counted_waiter>(r.e));
        acquire_context asker{r.e, *waiters.back(), r.use};
        CHECK(r.pool->acquire(*r.extents[1], asker).outcome == acquire_outcome::parked);
    }
    r.release(held);
    r.e.run_ready();
    CHECK(waiters[0]->wakes == 1);
    CHECK(waiters[1]->wakes == 0);
    r.use_once(0); // somebody else comes first, and finds his own: the wake is passed on
    r.e.run_ready();
    CHECK(waiters[1]->wakes == 1);
    r.use_once(1);
    r.e.run_ready();
    CHECK(waiters[2]->wakes == 1);
}

TEST_CASE("one that takes nothing, or cannot use what it took, wakes another for what is idle") {
    pool_rig r(2, reuse::found);
    const tfm_grant first = r.acquire(0), second = r.acquire(1);
    std::vector<std::unique_ptr<counted_waiter>> waiters;
    for (int n = 0; n < 3; ++n) {
        waiters.push_back(std::make_unique<counted_waiter>(r.e));
        acquire_context asker{r.e, *waiters.back(), r.use};
        CHECK(r.pool->acquire(*r.extents[2], asker).outcome == acquire_outcome::parked);
    }
    r.release(first);
    r.e.run_ready();
    CHECK(waiters[0]->wakes == 1); // and goes for what is on loan, as if it had other things to do
    const tfm_grant shared = r.acquire(1);
    CHECK(shared.outcome == acquire_outcome::ready);
    r.e.run_ready();
    CHECK(waiters[1]->wakes == 1);
    second_mode::refuse_keys();
    CHECK(r.acquire(2).outcome == acquire_outcome::failed);
    r.e.run_ready();
    CHECK(waiters[2]->wakes == 1);
    r.release(shared);
    r.release(second);
}

TEST_CASE("after an eviction no transform holds the key, of one that is on loan when it comes back") {
    for (const reuse how : {reuse::never, reuse::found}) {
        pool_rig r(3, how);
        for (int times = 0; times < 3; ++times)
            r.use_once(0);
        r.use_once(1);
        CHECK(r.holders_of(0) > 0);
        CHECK_FALSE(r.pool->evict(r.e, *r.extents[0]));
        CHECK(r.holders_of(0) == 0);
        CHECK(r.holders_of(1) == 1);

        const tfm_grant held = r.acquire(2);
        CHECK(r.pool->evict(r.e, *r.extents[2]) == make_error(EBUSY));
        CHECK(r.holders_of(2) == 1); // its user goes on
        r.release(held);
        CHECK(r.holders_of(2) == 0);
        CHECK_FALSE(r.pool->evict(r.e, *r.extents[2]));
        r.use_once(2);
        CHECK(r.holders_of(2) == 1);
        CHECK(r.pool->on_loan(r.e) == 0);
    }
}

TEST_CASE("a key that the cipher refuses fails the acquisition and leaves the transform to others, unkeyed") {
    pool_rig r(1, reuse::found);
    r.use_once(0);
    second_mode::refuse_keys();
    const tfm_grant refused = r.acquire(1);
    CHECK(refused.outcome == acquire_outcome::failed);
    CHECK(refused.status != blk_status::ok);
    CHECK(r.pool->on_loan(r.e) == 0);
    CHECK(r.holders_of(0) == 0);
    CHECK(r.acquire(0).outcome == acquire_outcome::failed); // not found any more
    CHECK(r.pool->on_loan(r.e) == 0);
}

TEST_CASE("a pool that cannot be made whole leaves nothing behind") {
    const second_mode stand_in(mode);
    tfm_counter hooks;
    simulated_env e(test_seed(), &hooks);
    transform_memory memory(0, 1);
    crypto_api api(memory);
    for (unsigned allowed = 0; allowed < 4; ++allowed) {
        second_mode::allow_tfms(static_cast<int>(allowed));
        CHECK(transform_pool::make(e, api, memory, mode, 4, reuse::never).error() == make_error(ENOMEM));
        CHECK(second_mode::tfms() == 0);
        CHECK(memory.figures().transforms == 0);
        CHECK(memory.figures().transform_bytes == 0);
    }
    second_mode::allow_tfms(4);
    for (std::uint64_t failing = 0; failing < 4; ++failing) {
        hooks.failing = hooks.allocations + failing;
        CHECK(transform_pool::make(e, api, memory, mode, 4, reuse::never).error() == make_error(ENOMEM));
        CHECK(memory.figures().transforms == 0);
    }
    CHECK(transform_pool::make(e, api, memory, mode, 0, reuse::never).error() == make_error(EINVAL));
}

TEST_CASE("a limit of memory counts all pools, and what is given back is there again") {
    const second_mode stand_in(mode);
    simulated_env e(test_seed());
    const std::uint64_t each = [] {
        const transform_memory any(0, 1);
        return any.bytes_of(crypto_mode::aes_256_xts);
    }();
    CHECK(each > 768);
    transform_memory memory(10 * each, 1);
    crypto_api api(memory);
    const auto make = [&](unsigned size) {
        return transform_pool::make(e, api, memory, crypto_mode::aes_256_xts, size, reuse::never);
    };
    auto six = make(6);
    REQUIRE(six.has_value());
    CHECK(make(5).error() == make_error(ENOMEM));
    CHECK(memory.figures().transforms == 6);
    auto four = make(4);
    CHECK(four.has_value());
    six->reset();
    CHECK(make(6).has_value());
    CHECK(memory.figures().transform_bytes_max == 10 * each);
}
