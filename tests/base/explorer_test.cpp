// SPDX-License-Identifier: Apache-2.0
// The explorer on programs whose interleavings can be counted by hand.
#include "blkcrypto/base/waiter.hpp"
#include "tests/support/explorer.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <numeric>
#include <set>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using counter = hooked_atomic<unsigned>;

constexpr lock_class lock_a{"a"};
constexpr lock_class lock_b{"b"};
constexpr lock_class waiting_lock{"waiting"};

// What the toys share. Each is a function of the task's number and this.
struct toy_world {
    explicit toy_world(explored_run& r) : run(r) {}

    env& environment(unsigned task) { return run.environment(task); }

    explored_run& run;
    std::array<counter, 3> counters{};
    mutex a{lock_a};
    mutex b{lock_b};
    wait_list waiting{waiting_lock};
};

class toy final : public explored_program {
  public:
    using body = void (*)(toy_world&, unsigned task);
    using check = bool (*)(const toy_world&);

    toy(explored_run& run, body work, check is_right) : world_(run), work_(work), is_right_(is_right) {}

    void run_task(unsigned number) override { work_(world_, number); }
    std::uint64_t digest() const override {
        return std::accumulate(world_.counters.begin(), world_.counters.end(), std::uint64_t{0},
                               [](std::uint64_t hash, const counter& c) { return mix(hash, c.peek()); });
    }
    void has_ended() override {
        if (!is_right_(world_))
            world_.run.fail("wrong result");
    }

  private:
    toy_world world_;
    body work_;
    check is_right_;
};

bool always(const toy_world&) {
    return true;
}

program_factory toys(toy::body work, toy::check is_right = always) {
    return [=](explored_run& run) { return std::make_unique<toy>(run, work, is_right); };
}

template <unsigned Steps>
void add_to_shared(toy_world& w, unsigned task) {
    for (unsigned i = 0; i < Steps; ++i)
        w.counters[0].fetch_add(w.environment(task), 1);
}

template <unsigned Steps>
void add_to_own(toy_world& w, unsigned task) {
    for (unsigned i = 0; i < Steps; ++i)
        w.counters[task].fetch_add(w.environment(task), 1);
}

// What was there before is not read, and so not remembered.
void set_shared(toy_world& w, unsigned task) {
    for (int i = 0; i < 3; ++i)
        w.counters[0].store(w.environment(task), 1);
}

void read_shared(toy_world& w, unsigned task) {
    for (int i = 0; i < 4; ++i)
        (void)w.counters[0].load(w.environment(task));
}

void read_then_write(toy_world& w, unsigned task) {
    env& e = w.environment(task);
    w.counters[0].store(e, w.counters[0].load(e) + 1);
}

void read_then_write_locked(toy_world& w, unsigned task) {
    const env_lock lock(w.environment(task), w.a);
    read_then_write(w, task);
}

void lock_in_own_order(toy_world& w, unsigned task) {
    const env_lock first(w.environment(task), task == 0 ? w.a : w.b);
    const env_lock second(w.environment(task), task == 0 ? w.b : w.a);
}

// Task 0 waits for the counter, the others set it.
template <bool LooksAgain>
void wait_for_counter(toy_world& w, unsigned task) {
    struct waking final : waiter {
        using waiter::waiter;
        void run(unsigned) noexcept override {}
    };
    env& e = w.environment(task);
    if (task != 0) {
        w.counters[0].store(e, 1);
        return w.waiting.wake_one(e);
    }
    waking self(e);
    if (w.counters[0].load(e) != 0)
        return;
    w.waiting.add(self);
    if (LooksAgain && w.counters[0].load(e) != 0)
        w.waiting.wake_one(e);
    e.sleep();
    e.run_ready();
}

template <unsigned Sum>
bool sums_to(const toy_world& w) {
    return w.counters[0].peek() == Sum;
}

// Tasks of a few random accesses, of which some are locked, that add up what they have read.
struct random_access {
    enum kind_of_access : std::uint8_t { read, write, add, add_locked } kind;
    unsigned counter;
    unsigned value;
};
using random_script = std::array<std::vector<random_access>, 3>;
using ends = std::set<std::vector<unsigned>>;

class random_toy final : public explored_program {
  public:
    random_toy(explored_run& run, const random_script& script, ends& seen)
        : world_(run), script_(script), seen_(seen) {}

    void run_task(unsigned number) override {
        for (const random_access& access : script_[number])
            sums_[number] = 3 * sums_[number] + made(access, world_.environment(number));
    }
    std::uint64_t digest() const override {
        std::uint64_t hash = 0;
        for (const counter& c : world_.counters)
            hash = mix(hash, c.peek());
        return hash;
    }
    void has_ended() override {
        std::vector<unsigned> end(sums_.begin(), sums_.end());
        for (const counter& c : world_.counters)
            end.push_back(c.peek());
        seen_.insert(end);
    }

  private:
    unsigned made(const random_access& access, env& e) {
        counter& c = world_.counters.at(access.counter);
        switch (access.kind) {
        case random_access::read:
            return c.load(e);
        case random_access::write:
            c.store(e, access.value);
            return 0;
        case random_access::add:
            return c.fetch_add(e, access.value);
        default:
            const env_lock lock(e, world_.a);
            const unsigned before = c.load(e);
            c.store(e, before + access.value);
            return before;
        }
    }

    toy_world world_;
    const random_script& script_;
    ends& seen_;
    std::array<unsigned, 3> sums_{};
};

random_script make_random_script(random_source& random) {
    random_script script;
    for (auto& accesses : script)
        for (auto left = 1 + random.below(4); left != 0; --left)
            accesses.push_back({static_cast<random_access::kind_of_access>(random.below(4)),
                                static_cast<unsigned>(random.below(3)),
                                static_cast<unsigned>(random.below(3))});
    return script;
}

constexpr auto no = remember_states::no;
constexpr auto yes = remember_states::yes;

} // namespace

TEST_SUITE_BEGIN("explorer" * doctest::skip(!fibers_can_run));

TEST_CASE("tasks that share nothing, or only read, have one execution") {
    CHECK(explore_all(2, toys(add_to_own<5>), no).explored == 1);
    CHECK(explore_all(3, toys(add_to_own<5>), no).explored == 1);
    CHECK(explore_all(3, toys(read_shared), no).explored == 1);
}

TEST_CASE("dependent steps have every interleaving once") {
    CHECK(explore_all(2, toys(add_to_shared<1>), no).explored == 2);
    CHECK(explore_all(2, toys(add_to_shared<3>), no).explored == 20);  // 6! / 3!^2
    CHECK(explore_all(2, toys(add_to_shared<6>), no).explored == 924); // 12! / 6!^2
    CHECK(explore_all(3, toys(add_to_shared<2>), no).explored == 90);  // 6! / 2!^3
    CHECK(explore_all(3, toys(add_to_shared<3>), no).explored == 1680);
    CHECK(explore_all(3, toys(add_to_shared<3>), no).pruned == 0);
}

TEST_CASE("critical sections have as many executions as orders") {
    const auto sections = toys(read_then_write_locked, sums_to<3>);
    const exploration found = explore_all(3, sections, no);
    CHECK_FALSE(found.found_failure());
    CHECK(found.explored == 6);
}

TEST_CASE("a state that is remembered is searched once") {
    CHECK(explore_all(3, toys(set_shared), no).explored == 1680);
    const exploration found = explore_all(3, toys(set_shared, sums_to<1>), yes);
    CHECK_FALSE(found.found_failure());
    CHECK(found.states == 64 - 1); // 4^3 combinations of places, without the end
    CHECK(found.explored + found.pruned < 2 * 64);
}

TEST_CASE("states that differ in what a task has read are different") {
    CHECK(explore_all(3, toys(add_to_shared<3>), yes).explored == 1680);
}

TEST_CASE("a lost update is found, and its schedule fails again") {
    const auto racing = toys(read_then_write, sums_to<2>);
    for (const auto remember : {no, yes}) {
        const exploration found = explore_all(2, racing, remember);
        CHECK(found.failure == "wrong result");
        CHECK(replay(2, racing, found.schedule).failure == "wrong result");
    }
    CHECK_FALSE(explore_bounded(2, racing, 0).found_failure());
    CHECK(explore_bounded(2, racing, 1).found_failure());
    CHECK(explore_random(2, racing, test_seed(), 1000).found_failure());
    CHECK_FALSE(explore_all(2, toys(read_then_write_locked, sums_to<2>), no).found_failure());
}

TEST_CASE("the bound counts preemptions, not switches from tasks that cannot go on") {
    CHECK(explore_bounded(3, toys(add_to_shared<2>), 0).explored == 6); // one after another
    // Interrupted once by the other, after the first step or the second of three.
    CHECK(explore_bounded(2, toys(add_to_shared<3>), 1).explored == 2 + 2 * 2);
    CHECK_FALSE(explore_bounded(2, toys(wait_for_counter<true>), 0).found_failure());
}

TEST_CASE("a deadlock is found") {
    const exploration found = explore_all(2, toys(lock_in_own_order), no);
    CHECK(found.failure == "nobody will ever wake task 0 (a lock) 1 (a lock)");
    CHECK(explore_all(1, toys(lock_in_own_order), no).explored == 1);
}

TEST_CASE("a lost wake-up is found, and none where the waiter looks again") {
    for (const unsigned task_count : {2U, 3U}) {
        const exploration found = explore_all(task_count, toys(wait_for_counter<false>), no);
        CHECK(found.failure == "nobody will ever wake task 0 (asleep)");
        CHECK_FALSE(explore_all(task_count, toys(wait_for_counter<true>), no).found_failure());
        CHECK_FALSE(explore_all(task_count, toys(wait_for_counter<true>), yes).found_failure());
    }
}

// What is left out must not lead anywhere else: the search without sleep sets, which is the one with more
// preemptions than there are steps, is the judge.
TEST_CASE("all searches of a random program come to the same ends") {
    random_source random(test_seed());
    for (int round = 0; round < 200; ++round) {
        const random_script script = make_random_script(random);
        const auto program_to = [&](ends& seen) -> program_factory {
            return [&](explored_run& run) { return std::make_unique<random_toy>(run, script, seen); };
        };
        ends everything, without_states, with_states, some;
        explore_bounded(3, program_to(everything), 1000);
        explore_all(3, program_to(without_states), no);
        explore_all(3, program_to(with_states), yes);
        explore_random(3, program_to(some), random.next(), 100);
        REQUIRE(without_states == everything);
        REQUIRE(with_states == everything);
        REQUIRE(std::ranges::includes(everything, some));
    }
}

TEST_SUITE_END();
