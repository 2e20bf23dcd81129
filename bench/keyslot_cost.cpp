// SPDX-License-Identifier: Apache-2.0
// What does it cost to have a key in a keyslot: when it is there, when it is not, with other threads, and
// with how many keys? 100 slots, as blk-crypto-fallback has.
//
//   slot/KEYS      get and put through a profile whose slots are programmed by nothing, keys in turn:
//                  up to 100 are hits, more are misses, each of which displaces a key
//   tfm/KEYS       the same of the fallback's own slots: a miss derives the key and gives it to a cipher
//   write/KEYS     4096 bytes through the fallback to a device in memory, each under the next key
//
//   slot/THREADS/own_key       each thread with a key of its own
//   slot/THREADS/same_key      all with the same
//   slot/THREADS/misses        each with 1000 keys of its own in turn
//
// What is measured with a number of keys has a counter, heap_growth_bytes: how much more the process holds
// after it than before.

#include "bench/idle_tfms.hpp"
#include "bench/indexed_keys.hpp"
#include "bench/micro_bios.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"

#include <fmt/format.h>
#include <malloc.h>

namespace blkcrypto::bench {
namespace {

constexpr unsigned slots = 100;
constexpr unsigned gets_a_look = 1000; // at the clock
// Of the medium: stays in a cache, however much memory the keys have just taken.
constexpr std::uint64_t stretch_bytes = 1 << 20;

// Whoever asks for slots or tfms and finds that it never has to wait.
class asker {
  public:
    explicit asker(env& e) : parked_(e), context_{e, parked_, counters_} {}
    acquire_context& context() noexcept { return context_; }

  private:
    struct unused_waiter final : waiter {
        using waiter::waiter;
        void run(unsigned) noexcept override {}
    };
    unused_waiter parked_;
    keyslot_counters counters_;
    acquire_context context_;
};

// What of the heap is in use, whichever arena it is of.
double heap_bytes() {
    const auto info = mallinfo2();
    return static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
}

// Runs `once` for all iterations, after it has run `warm_up` times.
template <typename Once>
void measure_steady(benchmark::State& state, std::uint64_t warm_up, std::uint64_t operations, Once once) {
    for (std::uint64_t i = 0; i < warm_up; ++i)
        once();
    const double before = heap_bytes();
    for (auto _ : state)
        once();
    const double after = heap_bytes();
    state.counters["heap_growth_bytes"] = after - before;
    count(state, operations);
}

void slots_with_keys(benchmark::State& state, std::uint64_t key_count) {
    auto e = *thread_env::make();
    idle_slots ops;
    auto profile = *crypto_profile::make(*e, idle_tfms::every_unit_size(), slots, ops);
    const indexed_keys keys(micro_config(), key_count);
    key_turn turn(keys);
    asker asks(*e);
    measure_steady(state, 1, gets_a_look, [&] {
        for (unsigned i = 0; i < gets_a_look; ++i)
            profile->put_keyslot(*e, profile->get_keyslot(turn.next(), asks.context()).slot);
    });
}

void tfms_with_keys(benchmark::State& state, std::uint64_t key_count) {
    auto e = *thread_env::make();
    auto tfms = *make_keyslot_tfms(*e, slots, 1);
    const indexed_keys keys(micro_config(), key_count);
    key_turn turn(keys);
    if (tfms->start_using(*e, micro_config()))
        return state.SkipWithError("no cipher");
    asker asks(*e);
    measure_steady(state, 1, gets_a_look, [&] {
        for (unsigned i = 0; i < gets_a_look; ++i)
            tfms->release(*e, tfms->acquire(turn.next(), asks.context()).lease);
    });
}

class keys_in_turn final : public key_choice {
  public:
    explicit keys_in_turn(const indexed_keys& keys) noexcept : turn_(keys) {}
    const key_request* next() noexcept override { return &turn_.next(); }

  private:
    key_turn turn_;
};

void writes_with_keys(benchmark::State& state, std::uint64_t key_count) {
    auto e = *thread_env::make();
    auto device = make_memory_device(medium());
    auto fallback = *crypto_fallback::make(*e, *make_keyslot_tfms(*e, slots, 1), {});
    const indexed_keys keys(micro_config(), key_count);
    if (start_using_key(*e, *device, fallback.get(), keys[0]))
        return state.SkipWithError("no cipher");
    auto queue = *submit_queue::make(*device, fallback.get(), *e, {batch, 4096});
    bio_batch bios(stretch_bytes, 4096, block_order::random);
    keys_in_turn turn(keys);
    bool all_well = true;
    measure_steady(state, slots, batch, [&] { all_well = bios.run(*queue, bio_op::write, turn); });
    if (!all_well)
        state.SkipWithError("I/O failed");
}

class slot_user final : public thread_work {
  public:
    static constexpr unsigned uses = 100'000;

    slot_user(crypto_profile& profile, const indexed_keys& keys) : profile_(profile), turn_(keys) {}

    void run() override {
        for (unsigned i = 0; i < uses; ++i)
            profile_.put_keyslot(*env_, profile_.get_keyslot(turn_.next(), asks_.context()).slot);
    }

  private:
    crypto_profile& profile_;
    key_turn turn_;
    const std::unique_ptr<thread_env> env_ = *thread_env::make();
    asker asks_{*env_};
};

// As many sets of keys as threads, or one for all.
void slots_with_threads(benchmark::State& state, unsigned threads, unsigned sets, std::uint64_t key_count) {
    auto e = *thread_env::make();
    idle_slots ops;
    auto profile = *crypto_profile::make(*e, idle_tfms::every_unit_size(), slots, ops);
    std::deque<indexed_keys> keys;
    for (unsigned i = 0; i < sets; ++i)
        keys.emplace_back(micro_config(), key_count);
    run_threads(state, threads,
                [&](unsigned thread) { return std::make_unique<slot_user>(*profile, keys[thread % sets]); });
    count(state, std::uint64_t{threads} * slot_user::uses);
}

void add_threads(micro_list& all, unsigned threads) {
    const auto add = [&](const char* what, unsigned sets, std::uint64_t key_count) {
        all.add_timed(fmt::format("slot/{}_thread{}/{}", threads, threads == 1 ? "" : "s", what),
                      [=](benchmark::State& state) { slots_with_threads(state, threads, sets, key_count); });
    };
    add("own_key", threads, 1);
    add("same_key", 1, 1);
    add("misses", threads, 1000);
}

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    micro_list all;
    for (std::uint64_t keys = 1; keys <= 1'000'000; keys *= 10) {
        all.add(fmt::format("slot/{}_keys", keys),
                [keys](benchmark::State& state) { slots_with_keys(state, keys); });
        all.add(fmt::format("tfm/{}_keys", keys),
                [keys](benchmark::State& state) { tfms_with_keys(state, keys); });
        all.add(fmt::format("write/{}_keys", keys),
                [keys](benchmark::State& state) { writes_with_keys(state, keys); });
    }
    for (const unsigned threads : {1U, 2U})
        add_threads(all, threads);
    return all.run(argc, argv);
}
