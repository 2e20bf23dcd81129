// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/inline_crypt/crypto_profile.hpp"
#include "tests/inline_crypt/profile_asker.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <array>
#include <cerrno>
#include <doctest/doctest.h>
#include <functional>
#include <semaphore>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr unsigned slots_max = 4;

// Knows what is in each slot, and who uses it: set by the users between get and put.
struct watching_ops final : crypto_ll_ops {
    struct alignas(64) slot_state {
        std::atomic<const key_request*> key{nullptr};
        std::atomic<int> users{0};
        std::atomic<bool> is_changing{false};
    };

    std::error_code keyslot_program(const key_request& key, keyslot_index slot,
                                    acquire_context&) noexcept override {
        const bool is_bad = bad_key == &key;
        change(slot, is_bad ? nullptr : &key);
        return is_bad ? make_error(EINVAL) : std::error_code{};
    }
    std::error_code keyslot_evict(env&, const key_request*, keyslot_index slot) noexcept override {
        change(slot, nullptr);
        return {};
    }

    void change(keyslot_index slot, const key_request* key) noexcept {
        slot_state& state = slots[slot.value];
        if (state.is_changing.exchange(true) || state.users.load() != 0)
            ++wrongs;
        std::this_thread::yield();
        state.key.store(key);
        state.is_changing.store(false);
    }

    std::array<slot_state, slots_max> slots;
    std::atomic<int> wrongs{0};
    const key_request* bad_key = nullptr;
};

struct shared_profile {
    explicit shared_profile(unsigned num_slots)
        : env(test_seed()), profile(*crypto_profile::make(env, {}, num_slots, ops)) {}

    simulated_env env; // of the thread that prepares and looks at the result
    watching_ops ops;
    std::array<nominal_key, 6> keys;
    std::unique_ptr<crypto_profile> profile;
};

// Gets and puts random keys, parked as long as it takes; sometimes evicts one without asking who uses it.
class profile_user {
  public:
    profile_user(shared_profile& shared, env& e, std::uint64_t seed)
        : shared_(shared), asker_(e), random_(seed) {}

    void work(int rounds) {
        for (int round = 0; round < rounds; ++round) {
            const key_request& key = shared_.keys[random_.below(shared_.keys.size())];
            if (random_.below(8) == 0)
                (void)shared_.profile->evict_key(asker_.environment(), key);
            use(key);
        }
    }

  private:
    void use(const key_request& key) {
        const keyslot_grant grant = get(key);
        if (grant.outcome == acquire_outcome::failed) {
            shared_.ops.wrongs += &key == shared_.ops.bad_key ? 0 : 1;
            return;
        }
        auto& slot = shared_.ops.slots[grant.slot.value];
        ++slot.users;
        for (auto looks = random_.below(4); looks != 0; --looks) {
            shared_.ops.wrongs += slot.key.load() == &key && !slot.is_changing.load() ? 0 : 1;
            std::this_thread::yield();
        }
        --slot.users;
        shared_.profile->put_keyslot(asker_.environment(), grant.slot);
    }

    keyslot_grant get(const key_request& key) {
        for (;;) {
            const keyslot_grant grant = shared_.profile->get_keyslot(key, asker_);
            if (grant.outcome != acquire_outcome::parked)
                return grant;
            while (asker_.take_wakes() == 0) {
                asker_.environment().sleep();
                asker_.environment().run_ready();
            }
        }
    }

    shared_profile& shared_;
    profile_asker asker_;
    random_source random_;
};

void run_threads(shared_profile& shared, unsigned thread_count, int rounds) {
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < thread_count; ++t)
        threads.emplace_back([&, t] {
            auto e = *thread_env::make();
            profile_user(shared, *e, test_seed() + t).work(rounds);
        });
    for (auto& thread : threads)
        thread.join();
}

// All slots can be claimed at once, each for a new key: nobody left a reference behind.
bool all_slots_idle(shared_profile& shared, unsigned num_slots) {
    std::array<nominal_key, slots_max> new_keys;
    profile_asker asker(shared.env);
    bool all_idle = true;
    for (unsigned i = 0; i < num_slots; ++i)
        all_idle &= shared.profile->get_keyslot(new_keys[i], asker).outcome == acquire_outcome::ready;
    nominal_key one_too_many;
    all_idle &= shared.profile->get_keyslot(one_too_many, asker).outcome == acquire_outcome::parked;
    for (unsigned i = 0; i < num_slots; ++i)
        shared.profile->put_keyslot(shared.env, {i});
    shared.env.run_ready();
    return all_idle && asker.take_wakes() == 1;
}

// Runs a piece of the test at a place in the code where another thread might come in between.
struct interrupting_hooks final : env_hooks {
    void reached(hook_point point, const resource_class&, io_context) noexcept override {
        if (point == hook_point::wait_begin && on_wait_begin)
            std::exchange(on_wait_begin, {})();
    }
    void after_unlock(mutex& m, io_context) noexcept override {
        if (std::string_view(m.kind().name) == "crypto_profile" && on_unlock)
            std::exchange(on_unlock, {})();
    }
    std::uint64_t order_stamp() noexcept override { return ++stamps; }

    std::function<void()> on_wait_begin;
    std::function<void()> on_unlock;
    std::uint64_t stamps = 0;
};

// An eviction that takes as long as the test wants.
struct slow_evict_ops final : crypto_ll_ops {
    std::error_code keyslot_program(const key_request&, keyslot_index, acquire_context&) noexcept override {
        return {};
    }
    std::error_code keyslot_evict(env&, const key_request*, keyslot_index) noexcept override {
        begun.release();
        may_end.acquire();
        return {};
    }
    std::binary_semaphore begun{0}, may_end{0};
};

} // namespace

TEST_CASE("four threads share few slots without a lost wake-up or a reference left") {
    for (const unsigned num_slots : {1U, 2U, 3U}) {
        CAPTURE(num_slots);
        shared_profile shared(num_slots);
        run_threads(shared, 4, 3000);
        CHECK(shared.ops.wrongs.load() == 0);
        CHECK(all_slots_idle(shared, num_slots));
    }
}

TEST_CASE("threads go on past a key that cannot be programmed") {
    shared_profile shared(2);
    shared.ops.bad_key = &shared.keys[3];
    run_threads(shared, 4, 3000);
    CHECK(shared.ops.wrongs.load() == 0);
    CHECK(all_slots_idle(shared, 2));
}

// The slot is put just before the asker is in the list of those who wait, and is being blanked when the
// asker looks again whether one came free meanwhile.
TEST_CASE("an eviction that hides an idle slot from an asker wakes it afterwards") {
    interrupting_hooks hooks;
    simulated_env asking(test_seed(), &hooks);
    simulated_env other(test_seed());
    slow_evict_ops ops;
    auto profile = *crypto_profile::make(asking, {}, 1, ops);
    nominal_key used, wanted;
    profile_asker user(other), asker(asking);
    const keyslot_grant held = profile->get_keyslot(used, user);
    REQUIRE(held.outcome == acquire_outcome::ready);

    std::thread evicting;
    hooks.on_wait_begin = [&] { profile->put_keyslot(other, held.slot); };
    hooks.on_unlock = [&] {
        evicting = std::thread([&] { (void)profile->evict_key(other, used); });
        ops.begun.acquire();
    };
    CHECK(profile->get_keyslot(wanted, asker).outcome == acquire_outcome::parked);
    ops.may_end.release();
    evicting.join();
    asking.run_ready();
    CHECK(asker.take_wakes() == 1);
    CHECK(profile->get_keyslot(wanted, asker).outcome == acquire_outcome::ready);
}
