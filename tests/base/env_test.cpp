// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/env.hpp"
#include "blkcrypto/base/waiter.hpp"
#include "tests/base/recording_hooks.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;

TEST_CASE("an I/O context scope narrows the context and restores it") {
    test::simulated_env env(test::test_seed());
    CHECK(env.context() == io_context::kernel);
    {
        const io_context_scope nofs(env, io_context::nofs);
        CHECK(env.context() == io_context::nofs);
        {
            const io_context_scope atomic(env, io_context::atomic);
            CHECK(env.context() == io_context::atomic);
        }
        CHECK(env.context() == io_context::nofs);
    }
    CHECK(env.context() == io_context::kernel);
}

TEST_CASE("an inner I/O context scope cannot allow more than the outer one") {
    test::simulated_env env(test::test_seed());
    const io_context_scope noio(env, io_context::noio);
    const io_context_scope wider(env, io_context::nofs);
    CHECK(env.context() == io_context::noio);
}

TEST_CASE("hooks see locks with their class and the I/O context") {
    recording_hooks hooks;
    test::simulated_env env(test::test_seed(), &hooks);
    constexpr lock_class kind{"some lock"};
    mutex m(kind);
    {
        const io_context_scope noio(env, io_context::noio);
        const env_lock lock(env, m);
        CHECK(hooks.seen == std::vector<std::string>{"lock some lock in 2"});
    }
    CHECK(hooks.seen == std::vector<std::string>{"lock some lock in 2", "unlock some lock in 2"});
}

TEST_CASE("hooks may refuse an allocation") {
    recording_hooks hooks;
    test::simulated_env env(test::test_seed(), &hooks);
    constexpr allocation_class kind{"some memory"};
    CHECK(env.allow_allocation(kind, 64));
    hooks.refuse_allocations = true;
    CHECK_FALSE(env.allow_allocation(kind, 65));
    CHECK(hooks.seen == std::vector<std::string>{"allocate 64 of some memory", "allocate 65 of some memory"});
    test::simulated_env without(test::test_seed());
    CHECK(without.allow_allocation(kind, 64));
}

TEST_CASE("hooks see the points of the code and give the order stamps") {
    recording_hooks hooks;
    test::simulated_env env(test::test_seed(), &hooks);
    constexpr resource_class slots{"some slots"};
    env.reached(hook_point::keyslot_put, slots);
    CHECK(hooks.seen == std::vector<std::string>{"reached 1 of some slots"});
    CHECK(env.order_stamp() == 1);
    CHECK(env.order_stamp() == 2);
}

TEST_CASE("order stamps grow without hooks") {
    test::simulated_env env(test::test_seed());
    const auto first = env.order_stamp();
    env.advance_clock(1);
    CHECK(env.order_stamp() > first);
}
