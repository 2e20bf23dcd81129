// SPDX-License-Identifier: Apache-2.0
// The tools of tests/support can fail: what they would have to notice is put before them.
#include "tests/support/allocation_counter.hpp"
#include "tests/support/death.hpp"
#include "tests/support/guarded_buffer.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include "blkcrypto/base/log.hpp"

#include <algorithm>
#include <array>
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <sys/uio.h>
#include <unistd.h>

using namespace blkcrypto;

namespace {

struct noting_task final : task {
    noting_task(std::vector<int>& order, int number) : order_(order), number_(number) {}
    void run(unsigned) noexcept override { order_.push_back(number_); }
    std::vector<int>& order_;
    int number_;
};

struct noting_timer final : timer {
    noting_timer(std::vector<int>& order, int number) : order_(order), number_(number) {}
    void run(unsigned) noexcept override { order_.push_back(number_); }
    std::vector<int>& order_;
    int number_;
};

// Asks the kernel, which returns EFAULT where a load would be a signal.
bool is_readable(const std::byte* address) {
    std::byte into{};
    const iovec local{&into, 1};
    const iovec remote{const_cast<std::byte*>(address), 1};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

std::vector<int> order_of_delayed_tasks(std::uint64_t seed) {
    test::simulated_env env(seed);
    test::simulated_executor executor(env, seed, 1'000);
    std::vector<int> order;
    std::vector<std::unique_ptr<noting_task>> tasks;
    for (int i = 0; i < 20; ++i) {
        tasks.push_back(std::make_unique<noting_task>(order, i));
        executor.post(*tasks.back());
    }
    CHECK(env.run_ready() <= 1);
    while (order.size() < tasks.size()) {
        env.sleep();
        env.run_ready();
    }
    CHECK(env.now_ns() <= 1'000);
    return order;
}

} // namespace

TEST_CASE("a guarded buffer ends at memory that cannot be read") {
    for (const std::size_t size : {1UL, 512UL, 4096UL, 5000UL}) {
        CAPTURE(size);
        test::guarded_buffer at_end(size, test::guard_side::end);
        CHECK(at_end.bytes().size() == size);
        CHECK(is_readable(at_end.data() + size - 1));
        CHECK_FALSE(is_readable(at_end.data() + size));
        test::guarded_buffer at_start(size, test::guard_side::start);
        CHECK(is_readable(at_start.data()));
        CHECK_FALSE(is_readable(at_start.data() - 1));
    }
}

TEST_CASE("allocations of every kind are counted") {
    if (!test::allocation_counter::available())
        return;
    struct alignas(256) wide {
        char bytes[256];
    };
    // A compiler may leave out an allocation that nobody else sees.
    void* volatile seen = nullptr;
    const test::allocation_counter allocations;
    const auto plain = std::make_unique<int>(1);
    seen = plain.get();
    CHECK(allocations.count() >= 1);
    const auto before_wide = allocations.count();
    const auto aligned = std::make_unique<wide>();
    seen = aligned.get();
    CHECK(allocations.count() > before_wide);
    const auto before_c = allocations.count();
    seen = std::malloc(10);                        // NOLINT
    void* const c_memory = std::realloc(seen, 20); // NOLINT
    CHECK(c_memory != nullptr);
    std::free(c_memory); // NOLINT
    CHECK(allocations.count() >= before_c + 2);
}

TEST_CASE("the memory search finds a copy on the heap and on the stack and none that is gone") {
    const auto key = std::make_unique<std::array<std::byte, 32>>();
    test::random_source(test::test_seed() + 11).fill(*key);
    const auto pieces = test::masked_pieces(*key);
    CHECK(pieces.size() == 2);
    CHECK(test::count_in_memory(pieces) == 2);
    std::array<std::byte, 32> on_stack = *key;
    __asm__ volatile("" : : "r"(on_stack.data()) : "memory");
    CHECK(test::count_in_memory(pieces) == 4);
    explicit_bzero(on_stack.data(), on_stack.size());
    explicit_bzero(key->data(), key->size());
    CHECK(test::count_in_memory(pieces) == 0);
    pieces[0].reveal(on_stack);
    CHECK(test::count_in_memory(pieces) == 1);
    explicit_bzero(on_stack.data(), on_stack.size());
}

TEST_CASE("a virtual clock moves only in sleep") {
    test::simulated_env env(test::test_seed());
    std::vector<int> order;
    noting_timer later(order, 2), sooner(order, 1);
    CHECK(env.has_virtual_clock());
    env.arm(later, 5'000);
    env.arm(sooner, 1'000);
    CHECK(env.run_ready() == 0);
    CHECK(env.now_ns() == 0);
    env.sleep();
    CHECK(env.now_ns() == 1'000);
    CHECK(env.run_ready() == 1);
    noting_task posted(order, 9);
    env.post(posted);
    env.sleep();
    CHECK(env.now_ns() == 1'000);
    CHECK(env.run_ready() == 1);
    env.sleep();
    env.run_ready();
    CHECK(env.now_ns() == 5'000);
    CHECK(order == std::vector<int>{1, 9, 2});
}

TEST_CASE("a simulation in which nothing can happen any more aborts") {
    const auto sleep_forever = [](void*) {
        test::simulated_env env(1);
        env.sleep();
    };
    CHECK(test::aborts_saying("deadlock: nothing can wake this thread", sleep_forever));
}

TEST_CASE("death is told from survival and from other last words") {
    CHECK_FALSE(test::aborts_saying("", [](void*) {}));
    CHECK_FALSE(test::aborts_saying("this", [](void*) { fatal("that"); }));
}

TEST_CASE("delayed tasks overtake each other in the same way for the same seed") {
    const auto first = order_of_delayed_tasks(17);
    CHECK(first.size() == 20);
    CHECK_FALSE(std::ranges::is_sorted(first));
    CHECK(order_of_delayed_tasks(17) == first);
    CHECK(order_of_delayed_tasks(18) != first);
}

TEST_CASE("random numbers of a simulation come from its seed") {
    std::array<std::byte, 20> first{}, second{}, other{};
    test::simulated_env(5).fill_random(first);
    test::simulated_env(5).fill_random(second);
    test::simulated_env(6).fill_random(other);
    CHECK(first == second);
    CHECK(first != other);
}
