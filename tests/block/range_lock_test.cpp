// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/block/range_lock.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <doctest/doctest.h>
#include <memory>
#include <thread>
#include <vector>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr lock_class lock_kind{"test ranges"};
constexpr auto shared = range_mode::shared;
constexpr auto exclusive = range_mode::exclusive;

// Counts how often it was granted, and when.
struct noting_hold final : range_hold {
    using range_hold::range_hold;
    noting_hold(env& owner, std::uint64_t begin, std::uint64_t end, range_mode mode) : range_hold(owner) {
        set_range(begin, end, mode);
    }
    void run(unsigned) noexcept override {
        ++granted;
        if (order != nullptr)
            order->push_back(this);
    }
    int granted = 0;
    std::vector<const noting_hold*>* order = nullptr;
};

struct rig {
    simulated_env env{test_seed()};
    range_lock ranges{lock_kind};

    bool lock(noting_hold& h) { return ranges.lock(env, h); }
    void unlock(noting_hold& h) { ranges.unlock(env, h); }
};

} // namespace

TEST_CASE("ranges that do not overlap are held together, whatever the mode") {
    rig r;
    noting_hold left(r.env, 0, 512, exclusive), right(r.env, 512, 1024, exclusive);
    noting_hold far(r.env, UINT64_MAX - 1, UINT64_MAX, exclusive);
    CHECK(r.lock(left));
    CHECK(r.lock(right));
    CHECK(r.lock(far));
    r.unlock(right);
    r.unlock(left);
    r.unlock(far);
    CHECK(r.ranges.is_idle(r.env));
}

TEST_CASE("shared ranges overlap, exclusive ones exclude both") {
    for (const auto held_mode : {shared, exclusive})
        for (const auto asked_mode : {shared, exclusive}) {
            rig r;
            noting_hold held(r.env, 1000, 2000, held_mode), asked(r.env, 1999, 3000, asked_mode);
            REQUIRE(r.lock(held));
            const bool may_overlap = held_mode == shared && asked_mode == shared;
            CHECK(r.lock(asked) == may_overlap);
            r.unlock(held);
            CHECK(asked.granted == 0); // posted, not run in place
            CHECK(r.env.run_ready() == (may_overlap ? 0 : 1));
            CHECK(asked.granted == (may_overlap ? 0 : 1));
            r.unlock(asked);
            CHECK(r.ranges.is_idle(r.env));
        }
}

TEST_CASE("one byte in common is enough, at either end and in the middle, however long the ranges are") {
    constexpr std::array<std::uint64_t, 7> lengths{1, 2, 511, 4096, 131072, 131073, std::uint64_t{1} << 40};
    for (const std::uint64_t held_length : lengths)
        for (const std::uint64_t length : lengths) {
            rig r;
            const std::uint64_t begin = std::uint64_t{1} << 41;
            noting_hold held(r.env, begin, begin + held_length, exclusive);
            REQUIRE(r.lock(held));
            const auto may_hold = [&](std::uint64_t at) {
                noting_hold other(r.env, at, at + length, exclusive);
                const bool is_held = r.ranges.try_lock(r.env, other);
                if (is_held)
                    r.unlock(other);
                return is_held;
            };
            CHECK(may_hold(begin - length));
            CHECK_FALSE(may_hold(begin - length + 1));
            CHECK_FALSE(may_hold(begin + held_length / 2));
            CHECK_FALSE(may_hold(begin + held_length - 1));
            CHECK(may_hold(begin + held_length));
            r.unlock(held);
        }
}

TEST_CASE("a request waits for earlier ones that still wait, and only for those it conflicts with") {
    rig r;
    noting_hold reader(r.env, 0, 100, shared), writer(r.env, 50, 150, exclusive);
    noting_hold late_reader(r.env, 60, 70, shared), elsewhere(r.env, 0, 50, shared);
    CHECK(r.lock(reader));
    CHECK_FALSE(r.lock(writer));
    CHECK_FALSE(r.lock(late_reader)); // or readers could keep a writer out for ever
    CHECK(r.lock(elsewhere));
    r.unlock(reader);
    r.env.run_ready();
    CHECK(writer.granted == 1);
    CHECK(late_reader.granted == 0);
    r.unlock(writer);
    r.env.run_ready();
    CHECK(late_reader.granted == 1);
    r.unlock(late_reader);
    r.unlock(elsewhere);
    CHECK(r.ranges.is_idle(r.env));
}

TEST_CASE("what becomes free is handed over in the order of asking") {
    rig r;
    std::vector<const noting_hold*> order;
    noting_hold all(r.env, 0, 1 << 20, exclusive);
    noting_hold first(r.env, 0, 8192, shared), second(r.env, 4096, 12288, shared);
    noting_hold third(r.env, 0, 4096, exclusive), fourth(r.env, 1 << 16, 1 << 17, exclusive);
    REQUIRE(r.lock(all));
    for (noting_hold* h : {&first, &second, &third, &fourth}) {
        h->order = &order;
        CHECK_FALSE(r.lock(*h));
    }
    r.unlock(all);
    CHECK_FALSE(r.ranges.try_lock(r.env, all)); // it is theirs before they have run
    r.env.run_ready();
    CHECK(order == std::vector<const noting_hold*>{&first, &second, &fourth});
    r.unlock(second);
    CHECK(r.env.run_ready() == 0);
    r.unlock(first);
    r.env.run_ready();
    CHECK(order.back() == &third);
    r.unlock(third);
    r.unlock(fourth);
}

TEST_CASE("a try neither waits nor passes by those that wait") {
    rig r;
    noting_hold held(r.env, 0, 10, exclusive), waiting(r.env, 5, 20, exclusive), tried(r.env, 15, 30, shared);
    REQUIRE(r.ranges.try_lock(r.env, held));
    REQUIRE_FALSE(r.lock(waiting));
    CHECK_FALSE(r.ranges.try_lock(r.env, tried));
    r.unlock(held);
    r.env.run_ready();
    r.unlock(waiting);
    CHECK(r.env.run_ready() == 0); // the try left nothing behind
    CHECK(r.ranges.try_lock(r.env, tried));
    r.unlock(tried);
}

TEST_CASE("a hold is granted on the env it belongs to") {
    rig r;
    simulated_env other(test_seed());
    noting_hold held(r.env, 0, 10, exclusive), waiting(other, 0, 10, exclusive);
    REQUIRE(r.ranges.lock(r.env, held));
    REQUIRE_FALSE(r.ranges.lock(other, waiting));
    r.unlock(held);
    CHECK(r.env.run_ready() == 0);
    CHECK(other.run_ready() == 1);
    r.ranges.unlock(other, waiting);
}

TEST_CASE("locking, waiting and handing over allocate nothing") {
    if (!allocation_counter::available())
        return;
    rig r;
    noting_hold held(r.env, 0, 1 << 20, exclusive), waiting(r.env, 0, 4096, shared);
    const allocation_counter allocations;
    CHECK(r.lock(held));
    CHECK_FALSE(r.lock(waiting));
    r.unlock(held);
    r.env.run_ready();
    r.unlock(waiting);
    CHECK(allocations.count() == 0);
}

// --- random sequences, beside all there is to know about them ---

namespace {

// The holds in the order of asking: one is held if it conflicts with none before it.
class naive_model {
  public:
    void ask(const noting_hold& h) { line_.push_back(&h); }
    void give_back(const noting_hold& h) { std::erase(line_, &h); }
    bool is_held(const noting_hold& h) const {
        for (const noting_hold* earlier : line_) {
            if (earlier == &h)
                return true;
            const bool apart = earlier->end() <= h.begin() || h.end() <= earlier->begin();
            if (!apart && (earlier->mode() == exclusive || h.mode() == exclusive))
                return false;
        }
        return false;
    }

  private:
    std::vector<const noting_hold*> line_;
};

struct modelled_hold {
    explicit modelled_hold(env& e) : hold(e) {}
    noting_hold hold;
    enum { idle, waiting, held } state = idle;
};

void set_random_range(range_hold& h, random_source& random, std::uint64_t span) {
    const std::uint64_t length = 1 + random.below(random.below(4) == 0 ? span : span / 16);
    const std::uint64_t begin = random.below(span);
    h.set_range(begin, begin + length, random.below(2) == 0 ? shared : exclusive);
}

} // namespace

TEST_CASE("random sequences grant what a naive model grants, at the same step and in order") {
    for (const std::uint64_t span : {64U, 1U << 16, 1U << 22}) {
        rig r;
        random_source random(test_seed() + span);
        naive_model model;
        std::vector<const noting_hold*> granted;
        std::vector<std::unique_ptr<modelled_hold>> holds;
        for (int i = 0; i < 12; ++i) {
            holds.push_back(std::make_unique<modelled_hold>(r.env));
            holds.back()->hold.order = &granted;
        }
        for (int step = 0; step < 20000 || !r.ranges.is_idle(r.env); ++step) {
            modelled_hold& chosen = *holds[random.below(holds.size())];
            if (chosen.state == modelled_hold::idle && step < 20000) {
                set_random_range(chosen.hold, random, span);
                model.ask(chosen.hold);
                const bool is_tried = random.below(4) == 0;
                const bool is_held = is_tried ? r.ranges.try_lock(r.env, chosen.hold) : r.lock(chosen.hold);
                REQUIRE(is_held == model.is_held(chosen.hold));
                chosen.state = is_held ? modelled_hold::held : modelled_hold::waiting;
                if (is_tried && !is_held) {
                    model.give_back(chosen.hold);
                    chosen.state = modelled_hold::idle;
                }
            } else if (chosen.state == modelled_hold::held) {
                model.give_back(chosen.hold);
                r.unlock(chosen.hold);
                chosen.state = modelled_hold::idle;
            }
            granted.clear();
            r.env.run_ready();
            std::size_t expected = 0;
            for (const auto& h : holds) {
                const bool is_new = h->state == modelled_hold::waiting && model.is_held(h->hold);
                REQUIRE(is_new == (std::ranges::count(granted, &h->hold) == 1));
                if (is_new)
                    h->state = modelled_hold::held;
                expected += is_new ? 1 : 0;
            }
            REQUIRE(granted.size() == expected);
        }
    }
}

// --- threads ---

namespace {

// How many threads are in each place, as the holders count themselves.
struct watched_places {
    static constexpr std::uint64_t count = 16;
    std::array<std::atomic<int>, count> readers{};
    std::array<std::atomic<int>, count> writers{};
    std::atomic<int> wrongs{0};

    void enter(const range_hold& h) {
        for (std::uint64_t i = h.begin(); i < h.end(); ++i) {
            (h.mode() == exclusive ? writers : readers)[i].fetch_add(1);
            const bool is_wrong =
                h.mode() == exclusive ? writers[i] != 1 || readers[i] != 0 : writers[i] != 0;
            wrongs += is_wrong ? 1 : 0;
        }
    }
    void leave(const range_hold& h) {
        for (std::uint64_t i = h.begin(); i < h.end(); ++i)
            (h.mode() == exclusive ? writers : readers)[i].fetch_sub(1);
    }
};

// A thread with two holds at a time; the second never waits while the first is held, or they could wait for
// each other.
void hold_random_places(range_lock& ranges, watched_places& places, std::uint64_t seed, int rounds) {
    auto made = thread_env::make();
    thread_env& e = **made;
    random_source random(seed);
    noting_hold first(e), second(e);
    for (int round = 0; round < rounds; ++round) {
        for (noting_hold* h : {&first, &second}) {
            const std::uint64_t begin = random.below(watched_places::count);
            h->set_range(begin, begin + 1 + random.below(watched_places::count - begin),
                         random.below(3) == 0 ? exclusive : shared);
        }
        const int granted_before = first.granted;
        if (!ranges.lock(e, first))
            while (first.granted == granted_before) {
                e.sleep();
                e.run_ready();
            }
        places.enter(first);
        if (ranges.try_lock(e, second)) {
            places.enter(second);
            places.leave(second);
            ranges.unlock(e, second);
        }
        places.leave(first);
        ranges.unlock(e, first);
    }
}

} // namespace

TEST_CASE("threads that hold ranges keep out whom they should, and none waits for ever") {
    range_lock ranges(lock_kind);
    watched_places places;
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t i = 0; i < 3; ++i)
            threads.emplace_back([&, i] { hold_random_places(ranges, places, test_seed() + i, 20000); });
    }
    CHECK(places.wrongs == 0);
    simulated_env outside(test_seed());
    CHECK(ranges.is_idle(outside));
}
