// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/waiter.hpp"
#include "tests/base/recording_hooks.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace blkcrypto;

namespace {

constexpr lock_class list_lock{"test list"};

struct noting_waiter final : waiter {
    noting_waiter(env& owner, std::vector<int>& order, int number)
        : waiter(owner), order_(order), number_(number) {}
    void run(unsigned) noexcept override { order_.push_back(number_); }
    std::vector<int>& order_;
    int number_;
};

} // namespace

TEST_CASE("waiters are woken one by one in the order they came") {
    test::simulated_env env(test::test_seed());
    std::vector<int> order;
    noting_waiter first(env, order, 1), second(env, order, 2), third(env, order, 3);
    wait_list list(list_lock);
    CHECK(list.empty(env));
    list.add(first);
    list.add(second);
    list.add(third);
    CHECK_FALSE(list.empty(env));
    for (int woken = 1; woken <= 3; ++woken) {
        list.wake_one(env);
        CHECK(order.size() == static_cast<std::size_t>(woken - 1)); // posted, not run in place
        CHECK(env.run_ready() == 1);
        CHECK(order.back() == woken);
    }
    CHECK(list.empty(env));
    CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("a wake-up with nobody waiting does nothing") {
    test::simulated_env env(test::test_seed());
    wait_list list(list_lock);
    list.wake_one(env);
    CHECK(env.run_ready() == 0);
    std::vector<int> order;
    noting_waiter late(env, order, 1);
    list.add(late);
    CHECK(env.run_ready() == 0);
}

TEST_CASE("a waiter runs on the env it belongs to") {
    test::simulated_env mine(test::test_seed());
    test::simulated_env other(test::test_seed());
    std::vector<int> order;
    noting_waiter waiting(mine, order, 1);
    wait_list list(list_lock);
    list.add(waiting);
    list.wake_one(other);
    CHECK(other.run_ready() == 0);
    CHECK(mine.run_ready() == 1);
    CHECK(order == std::vector<int>{1});
}

TEST_CASE("a woken waiter may wait again") {
    test::simulated_env env(test::test_seed());
    std::vector<int> order;
    noting_waiter first(env, order, 1), second(env, order, 2);
    wait_list list(list_lock);
    list.add(first);
    list.add(second);
    list.wake_one(env);
    env.run_ready();
    list.add(first);
    list.wake_one(env);
    list.wake_one(env);
    env.run_ready();
    CHECK(order == std::vector<int>{1, 2, 1});
    CHECK(list.empty(env));
}

TEST_CASE("waiting and waking pass the hooks") {
    recording_hooks hooks;
    test::simulated_env env(test::test_seed(), &hooks);
    std::vector<int> order;
    noting_waiter waiting(env, order, 1);
    wait_list list(list_lock);
    list.wake_one(env);
    CHECK(hooks.seen.empty());
    list.add(waiting);
    list.wake_one(env);
    CHECK(hooks.seen == std::vector<std::string>{"reached 2 of test list", "lock test list in 0",
                                                 "unlock test list in 0", "reached 3 of test list",
                                                 "lock test list in 0", "unlock test list in 0"});
}

TEST_CASE("a waiter leaves the line once, and not after it was woken") {
    test::simulated_env env(test::test_seed());
    std::vector<int> order;
    noting_waiter first(env, order, 1), second(env, order, 2), third(env, order, 3);
    wait_list list(list_lock);
    list.add(first);
    list.add(second);
    list.add(third);
    CHECK(list.remove(second));
    CHECK_FALSE(list.remove(second));
    list.wake_one(env);
    CHECK_FALSE(list.remove(first));
    list.wake_one(env);
    CHECK(list.empty(env));
    env.run_ready();
    CHECK(order == std::vector<int>{1, 3});
}
