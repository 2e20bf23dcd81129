// SPDX-License-Identifier: Apache-2.0
// One thread; the threads are in crypto_profile_threads_test.cpp.
#include "blkcrypto/inline_crypt/crypto_profile.hpp"
#include "tests/inline_crypt/profile_asker.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/property.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <doctest/doctest.h>
#include <functional>
#include <set>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

struct stamp_hooks final : env_hooks {
    std::uint64_t order_stamp() noexcept override { return ++stamps; }
    bool allow_allocation(const allocation_class&, std::size_t, io_context) noexcept override {
        return !refuse_allocations;
    }
    // Runs `interruption` before the access that comes `interrupted_after` others after the next scan.
    void reached(hook_point point, const resource_class&, io_context) noexcept override {
        is_scanning |= point == hook_point::keyslot_scan && interruption;
    }
    void before_access(shared_access, const void*, std::size_t) noexcept override {
        if (is_scanning && interrupted_after-- == 0) {
            is_scanning = false;
            std::exchange(interruption, {})();
        }
    }

    std::uint64_t stamps = 0;
    bool refuse_allocations = false;
    bool is_scanning = false;
    unsigned interrupted_after = 0;
    std::function<void()> interruption;
};

// Notes what is asked of the slots, and fails for chosen keys.
struct recording_ops final : crypto_ll_ops {
    struct op {
        enum kind { program, evict } what;
        const key_request* key;
        std::uint32_t slot;
        bool operator==(const op&) const = default;
    };

    std::error_code keyslot_program(const key_request& key, keyslot_index slot,
                                    acquire_context&) noexcept override {
        seen.push_back({op::program, &key, slot.value});
        return bad_keys.contains(&key) ? make_error(EINVAL) : std::error_code{};
    }
    std::error_code keyslot_evict(env&, const key_request* key, keyslot_index slot) noexcept override {
        seen.push_back({op::evict, key, slot.value});
        return evict_error;
    }
    std::vector<op> take_seen() { return std::exchange(seen, {}); }

    std::vector<op> seen;
    std::set<const key_request*> bad_keys;
    std::error_code evict_error;
};

using op = recording_ops::op;
using ops_seen = std::vector<op>;

struct fixture {
    explicit fixture(unsigned num_slots)
        : env(test_seed(), &hooks), profile(*crypto_profile::make(env, {}, num_slots, ops)), asker(env) {}

    std::uint32_t get(const key_request& key) {
        const keyslot_grant grant = profile->get_keyslot(key, asker);
        REQUIRE(grant.outcome == acquire_outcome::ready);
        return grant.slot.value;
    }
    acquire_outcome try_get(const key_request& key, profile_asker& by) {
        return profile->get_keyslot(key, by).outcome;
    }
    void put(std::uint32_t slot) { profile->put_keyslot(env, {slot}); }
    void get_and_put(const key_request& key) { put(get(key)); }

    stamp_hooks hooks;
    simulated_env env;
    recording_ops ops;
    std::unique_ptr<crypto_profile> profile;
    profile_asker asker;
    std::array<nominal_key, 8> keys;
};

} // namespace

// --- hits, misses and victims ---

TEST_CASE("a hit does not reprogram, whether the slot is in use or idle" * PROPERTY(21)) {
    fixture f(2);
    const std::uint32_t slot = f.get(f.keys[0]);
    CHECK(f.ops.take_seen() == ops_seen{{op::program, &f.keys[0], slot}});
    CHECK(f.get(f.keys[0]) == slot);
    f.put(slot);
    f.put(slot);
    CHECK(f.get(f.keys[0]) == slot);
    f.put(slot);
    CHECK(f.ops.take_seen().empty());
    CHECK(f.asker.counters().hits == 2);
    CHECK(f.asker.counters().misses == 1);
    CHECK(f.asker.counters().evictions == 0);
}

TEST_CASE("users of one key share its slot, which is idle only after the last put" * PROPERTY(20)) {
    fixture f(1);
    const std::uint32_t slot = f.get(f.keys[0]);
    f.get(f.keys[0]);
    f.put(slot);
    CHECK(f.try_get(f.keys[1], f.asker) == acquire_outcome::parked);
    f.put(slot);
    CHECK(f.env.run_ready() == 1);
    CHECK(f.get(f.keys[1]) == slot);
    CHECK(f.asker.counters().evictions == 1);
}

TEST_CASE("keys with the same bytes but another address have slots of their own") {
    fixture f(2);
    CHECK(f.get(f.keys[0]) != f.get(f.keys[1]));
}

TEST_CASE("the victim is the idle slot that was released longest ago" * PROPERTY(22)) {
    fixture f(3);
    const std::uint32_t a = f.get(f.keys[0]);
    const std::uint32_t b = f.get(f.keys[1]);
    const std::uint32_t c = f.get(f.keys[2]);
    f.put(b);
    f.put(a);
    f.put(c);
    f.get_and_put(f.keys[1]); // used again: now a is the oldest
    CHECK(f.get(f.keys[3]) == a);
    CHECK(f.get(f.keys[4]) == c);
    CHECK(f.get(f.keys[5]) == b);
}

TEST_CASE("a slot that is put while others are looked at is not the victim") {
    for (unsigned accesses = 0; accesses < 12; ++accesses) {
        CAPTURE(accesses);
        fixture f(2);
        const std::uint32_t used = f.get(f.keys[0]);
        f.get_and_put(f.keys[1]);
        f.hooks.interruption = [&] { f.put(used); };
        f.hooks.interrupted_after = accesses;
        CHECK(f.get(f.keys[2]) != used);
    }
}

TEST_CASE("a slot that is used again while others are looked at is not the victim") {
    for (unsigned accesses = 0; accesses < 5; ++accesses) {
        CAPTURE(accesses);
        fixture f(2);
        f.get_and_put(f.keys[0]);
        f.get_and_put(f.keys[1]);
        f.hooks.interruption = [&] { f.get_and_put(f.keys[0]); };
        f.hooks.interrupted_after = accesses;
        CHECK(f.get(f.keys[2]) == 1);
    }
}

TEST_CASE("slots, keys and victims are those of a simple model, whatever is got and put") {
    random_source random(test_seed() + 1);
    for (const unsigned num_slots : {1U, 2U, 3U, 5U}) {
        fixture f(num_slots);
        struct model_slot {
            const key_request* key = nullptr;
            unsigned references = 0;
        };
        std::vector<model_slot> model(num_slots);
        std::deque<std::uint32_t> idle; // released longest ago first
        for (std::uint32_t i = 0; i < num_slots; ++i)
            idle.push_back(i);
        for (int step = 0; step < 3000; ++step) {
            const auto n = static_cast<std::uint32_t>(random.below(num_slots));
            if (random.below(2) == 0 && model[n].references != 0) {
                f.put(n);
                if (--model[n].references == 0)
                    idle.push_back(n);
                continue;
            }
            const key_request* key = &f.keys[random.below(f.keys.size())];
            const auto hit =
                std::ranges::find_if(model, [&](const model_slot& slot) { return slot.key == key; });
            if (hit == model.end() && idle.empty())
                continue;
            const auto expected =
                hit != model.end() ? static_cast<std::uint32_t>(hit - model.begin()) : idle.front();
            std::erase(idle, expected);
            model[expected] = {key, model[expected].references + 1};
            f.ops.take_seen();
            REQUIRE(f.get(*key) == expected);
            REQUIRE(f.ops.take_seen().size() == (hit == model.end() ? 1 : 0));
        }
    }
}

// --- waiting ---

TEST_CASE("with all slots in use the asker parks and a put wakes it") {
    fixture f(2);
    const std::uint32_t a = f.get(f.keys[0]);
    f.get(f.keys[1]);
    profile_asker waiting(f.env);
    CHECK(f.try_get(f.keys[2], waiting) == acquire_outcome::parked);
    CHECK(waiting.counters().waits == 1);
    f.env.run_ready();
    CHECK(waiting.take_wakes() == 0);
    f.put(a);
    CHECK(waiting.take_wakes() == 0); // posted, not run in place
    f.env.run_ready();
    CHECK(waiting.take_wakes() == 1);
    CHECK(f.profile->get_keyslot(f.keys[2], waiting).slot.value == a);
}

TEST_CASE("with all slots in use the asker parks until a put, and more keys than slots always make progress" *
          PROPERTY(23)) {
    for (const unsigned num_slots : {1U, 2U, 3U}) {
        fixture f(num_slots);
        struct user {
            explicit user(env& e) : asker(e) {}
            profile_asker asker;
            const key_request* key = nullptr;
            std::uint32_t slot = 0;
            bool holds = false;
            bool is_parked = false;
            int rounds_left = 20;
        };
        std::deque<user> users;
        for (auto& key : f.keys)
            users.emplace_back(f.env).key = &key;
        random_source random(test_seed() + 2);
        for (int steps = 0; steps < 20'000; ++steps) {
            user& u = users[random.below(users.size())];
            f.env.run_ready();
            if (u.asker.take_wakes() != 0)
                u.is_parked = false;
            if (u.is_parked || u.rounds_left == 0)
                continue;
            if (u.holds) {
                u.holds = false;
                --u.rounds_left;
                f.put(u.slot);
                continue;
            }
            const keyslot_grant grant = f.profile->get_keyslot(*u.key, u.asker);
            u.holds = grant.outcome == acquire_outcome::ready;
            u.is_parked = grant.outcome == acquire_outcome::parked;
            u.slot = grant.slot.value;
        }
        CHECK(std::ranges::all_of(users, [](const user& u) { return u.rounds_left == 0; }));
    }
}

TEST_CASE("a waiter that was woken and finds its key in a slot passes the wake on") {
    fixture f(2);
    const std::uint32_t a = f.get(f.keys[0]);
    const std::uint32_t b = f.get(f.keys[1]);
    profile_asker first(f.env), second(f.env);
    CHECK(f.try_get(f.keys[2], first) == acquire_outcome::parked);
    CHECK(f.try_get(f.keys[3], second) == acquire_outcome::parked);
    f.put(a);
    f.env.run_ready();
    CHECK(first.take_wakes() == 1);
    // It comes back for a key that is in a slot, and so does not need the idle one.
    CHECK(f.profile->get_keyslot(f.keys[1], first).slot.value == b);
    f.env.run_ready();
    CHECK(second.take_wakes() == 1);
    CHECK(f.profile->get_keyslot(f.keys[3], second).slot.value == a);
}

// --- failed programs ---

TEST_CASE("a failed program gives its status and leaves the slot to the next key") {
    fixture f(1);
    f.ops.bad_keys.insert(&f.keys[0]);
    for (int i = 0; i < 3; ++i) {
        const keyslot_grant grant = f.profile->get_keyslot(f.keys[0], f.asker);
        CHECK(grant.outcome == acquire_outcome::failed);
        CHECK(grant.status == blk_status::inval);
    }
    f.get_and_put(f.keys[1]);
}

TEST_CASE("a failed program gives its status, leaks no slot, wakes a waiter, and the next program works" *
          PROPERTY(24)) {
    fixture f(2);
    const std::uint32_t a = f.get(f.keys[0]), b = f.get(f.keys[1]);
    f.ops.bad_keys.insert(&f.keys[2]);
    profile_asker bad(f.env), good(f.env);
    CHECK(f.try_get(f.keys[2], bad) == acquire_outcome::parked);
    CHECK(f.try_get(f.keys[3], good) == acquire_outcome::parked);
    f.put(a);
    f.env.run_ready();
    REQUIRE(bad.take_wakes() == 1);
    const keyslot_grant refused = f.profile->get_keyslot(f.keys[2], bad);
    CHECK(refused.outcome == acquire_outcome::failed);
    CHECK(refused.status == blk_status::inval);
    f.env.run_ready();
    REQUIRE(good.take_wakes() == 1);
    CHECK(f.profile->get_keyslot(f.keys[3], good).slot.value == a);
    f.put(a);
    f.put(b);
    // Both slots can be had at once.
    CHECK(f.get(f.keys[4]) != f.get(f.keys[5]));
}

TEST_CASE("a failed program forgets the key it displaced") {
    fixture f(1);
    f.get_and_put(f.keys[0]);
    f.ops.bad_keys.insert(&f.keys[1]);
    CHECK(f.try_get(f.keys[1], f.asker) == acquire_outcome::failed);
    f.ops.take_seen();
    CHECK_FALSE(f.profile->evict_key(f.env, f.keys[0]));
    CHECK(f.ops.take_seen().empty());
    f.get_and_put(f.keys[0]);
    CHECK(f.ops.take_seen() == ops_seen{{op::program, &f.keys[0], 0}});
}

TEST_CASE("a failed program wakes the next waiter") {
    fixture f(1);
    const std::uint32_t slot = f.get(f.keys[0]);
    f.ops.bad_keys.insert(&f.keys[1]);
    profile_asker bad(f.env), good(f.env);
    CHECK(f.try_get(f.keys[1], bad) == acquire_outcome::parked);
    CHECK(f.try_get(f.keys[2], good) == acquire_outcome::parked);
    f.put(slot);
    f.env.run_ready();
    CHECK(bad.take_wakes() == 1);
    CHECK(f.try_get(f.keys[1], bad) == acquire_outcome::failed);
    f.env.run_ready();
    CHECK(good.take_wakes() == 1);
    CHECK(f.try_get(f.keys[2], good) == acquire_outcome::ready);
}

// --- eviction ---

TEST_CASE("evicting an idle key blanks its slot, which keeps its place among the idle ones") {
    fixture f(2);
    f.get_and_put(f.keys[0]);
    f.get_and_put(f.keys[1]);
    f.ops.take_seen();
    CHECK_FALSE(f.profile->evict_key(f.env, f.keys[1]));
    CHECK(f.ops.take_seen() == ops_seen{{op::evict, &f.keys[1], 1}});
    CHECK(f.get(f.keys[2]) == 0); // still the one released first
    CHECK(f.get(f.keys[1]) == 1);
    CHECK(f.ops.take_seen() == ops_seen{{op::program, &f.keys[2], 0}, {op::program, &f.keys[1], 1}});
}

TEST_CASE("evicting a displaced or unknown key does nothing and succeeds" * PROPERTY(28)) {
    fixture f(1);
    f.get_and_put(f.keys[0]);
    f.get_and_put(f.keys[1]);
    f.ops.take_seen();
    CHECK_FALSE(f.profile->evict_key(f.env, f.keys[0]));
    CHECK_FALSE(f.profile->evict_key(f.env, f.keys[2]));
    CHECK(f.ops.take_seen().empty());
}

TEST_CASE("evicting returns the error of the slots and forgets the key all the same") {
    fixture f(1);
    f.get_and_put(f.keys[0]);
    f.ops.evict_error = make_error(EIO);
    CHECK(f.profile->evict_key(f.env, f.keys[0]) == make_error(EIO));
    f.ops.take_seen();
    f.get_and_put(f.keys[0]);
    CHECK(f.ops.take_seen() == ops_seen{{op::program, &f.keys[0], 0}});
}

TEST_CASE("evict while in use returns EBUSY, forgets the key and blanks the slot at the last put" *
          PROPERTY(26)) {
    fixture f(2);
    const std::uint32_t slot = f.get(f.keys[0]);
    f.get(f.keys[0]);
    f.ops.take_seen();
    CHECK(f.profile->evict_key(f.env, f.keys[0]) == make_error(EBUSY));
    CHECK(f.ops.take_seen().empty());
    const std::uint32_t other = f.get(f.keys[0]); // forgotten: programmed anew, elsewhere
    CHECK(other != slot);
    CHECK(f.ops.take_seen() == ops_seen{{op::program, &f.keys[0], other}});
    f.put(slot);
    CHECK(f.ops.take_seen().empty());
    f.put(slot);
    CHECK(f.ops.take_seen() == ops_seen{{op::evict, nullptr, slot}});
    f.put(other);
    CHECK(f.ops.take_seen().empty());
}

TEST_CASE("a slot whose key was evicted in use wakes a waiter when it is put") {
    fixture f(1);
    const std::uint32_t slot = f.get(f.keys[0]);
    profile_asker waiting(f.env);
    CHECK(f.try_get(f.keys[1], waiting) == acquire_outcome::parked);
    CHECK(f.profile->evict_key(f.env, f.keys[0]) == make_error(EBUSY));
    f.put(slot);
    f.env.run_ready();
    CHECK(waiting.take_wakes() == 1);
    CHECK(f.try_get(f.keys[1], waiting) == acquire_outcome::ready);
    f.ops.take_seen();
    f.put(slot);
    CHECK(f.ops.take_seen().empty()); // the new key stays
}

// --- engines without slots, resets, limits ---

TEST_CASE("a profile without slots is always ready and evicts from no slot in particular" * PROPERTY(29)) {
    fixture f(0);
    const keyslot_grant grant = f.profile->get_keyslot(f.keys[0], f.asker);
    CHECK(grant.outcome == acquire_outcome::ready);
    CHECK(grant.slot == no_keyslot);
    f.profile->put_keyslot(f.env, grant.slot);
    CHECK(f.ops.take_seen().empty());
    CHECK_FALSE(f.profile->evict_key(f.env, f.keys[0]));
    CHECK(f.ops.take_seen() == ops_seen{{op::evict, &f.keys[0], no_keyslot.value}});
    f.ops.evict_error = make_error(EIO);
    CHECK(f.profile->evict_key(f.env, f.keys[0]) == make_error(EIO));
    f.ops.take_seen();
    CHECK_FALSE(f.profile->reprogram_all_keys(f.asker));
    CHECK(f.ops.take_seen().empty());
}

TEST_CASE("after a reset every key is programmed into the slot it was in") {
    fixture f(4);
    f.get(f.keys[0]);
    f.get_and_put(f.keys[1]);
    f.get_and_put(f.keys[2]);
    CHECK_FALSE(f.profile->evict_key(f.env, f.keys[1]));
    f.ops.take_seen();
    CHECK_FALSE(f.profile->reprogram_all_keys(f.asker));
    CHECK(f.ops.take_seen() == ops_seen{{op::program, &f.keys[0], 0}, {op::program, &f.keys[2], 2}});
}

TEST_CASE("a key that cannot be programmed after a reset is forgotten, the others are restored") {
    fixture f(3);
    for (int i = 0; i < 3; ++i)
        f.get_and_put(f.keys[static_cast<std::size_t>(i)]);
    f.ops.bad_keys.insert(&f.keys[1]);
    CHECK(f.profile->reprogram_all_keys(f.asker) == make_error(EINVAL));
    f.ops.bad_keys.clear();
    f.ops.take_seen();
    f.get_and_put(f.keys[0]);
    f.get_and_put(f.keys[2]);
    CHECK(f.ops.take_seen().empty());
    f.get_and_put(f.keys[1]);
    CHECK(f.ops.take_seen() == ops_seen{{op::program, &f.keys[1], 1}});
}

TEST_CASE("a profile has no more slots than the maximum, and needs memory") {
    fixture f(1);
    const auto make = [&](unsigned num_slots) { return crypto_profile::make(f.env, {}, num_slots, f.ops); };
    CHECK(make(crypto_profile::slots_max).has_value());
    CHECK(make(crypto_profile::slots_max + 1).error() == make_error(EINVAL));
    f.hooks.refuse_allocations = true;
    CHECK(make(1).error() == make_error(ENOMEM));
}
