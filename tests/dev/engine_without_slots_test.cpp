// SPDX-License-Identifier: Apache-2.0
// An engine without keyslots, as samsung-fmp: the key travels with each command.
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/dev/engine_rig.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/property.hpp"

#include <atomic>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t unit_bytes = 4096;

} // namespace

TEST_CASE(
    "an engine without slots makes the same bytes under any number of keys, and nobody waits for a slot") {
    engine_rig rig(*find_engine_profile("samsung-fmp"), completion_order::shuffled, {.depth = 16});
    std::deque<test_key> keys;
    for (int i = 0; i < 9; ++i)
        keys.emplace_back(rig.random);
    std::deque<std::vector<std::byte>> data, back;
    std::deque<keyed_io> ios;
    for (std::size_t i = 0; i < 100; ++i) {
        data.push_back(random_bytes((1 + i % 3) * unit_bytes, rig.random.next()));
        ios.emplace_back(bio_op::write, sector{i * 32}, data.back(), keys[i % keys.size()]);
        rig.queue->submit(ios.back().io.what);
    }
    rig.drain();
    for (std::size_t i = 0; i < data.size(); ++i) {
        const sector at{i * 32};
        CHECK(ios[i].ended_with(blk_status::ok));
        CHECK(std::ranges::equal(rig.lower.medium(at, data[i].size()),
                                 ciphertext(keys[i % keys.size()], at, data[i])));
        back.emplace_back(data[i].size());
        ios.emplace_back(bio_op::read, at, back.back(), keys[i % keys.size()]);
        rig.queue->submit(ios.back().io.what);
    }
    rig.drain();
    CHECK(back == data);
    const keyslot_counters use = rig.queue->keyslot_use();
    CHECK(use.hits + use.misses + use.evictions + use.waits == 0);
}

TEST_CASE("a key that a command brings and the cipher refuses fails that command alone") {
    engine_rig rig(engine_with(0));
    const test_key good(rig.random);
    const auto weak = make_weak_key();
    auto data = random_bytes(unit_bytes, rig.random.next());
    for (const bio_op op : {bio_op::write, bio_op::read}) {
        keyed_io first(bio_op::write, sector{0}, data, good), bad(op, sector{64}, data, *weak),
            last(bio_op::write, sector{128}, data, good);
        for (keyed_io* io : {&first, &bad, &last})
            rig.queue->submit(io->io.what);
        rig.drain();
        CHECK(first.ended_with(blk_status::ok));
        CHECK(bad.ended_with(blk_status::inval));
        CHECK(last.ended_with(blk_status::ok));
        for (const sector at : {sector{0}, sector{128}})
            CHECK(std::ranges::equal(rig.lower.medium(at, unit_bytes), ciphertext(good, at, data)));
    }
    for (const std::byte b : rig.lower.medium(sector{64}, unit_bytes))
        REQUIRE(b == std::byte{0});
}

TEST_CASE("an engine without slots keeps no key: it is gone when the bio has ended, evicted or not") {
    engine_rig rig(engine_with(0));
    random_source fresh(test_seed() + 77); // no other case has had this key
    test_key key(fresh);
    auto pieces = masked_pieces(key.bytes);
    zeroize(key.bytes);
    std::vector<std::byte> data(unit_bytes);
    for (const bio_op op : {bio_op::write, bio_op::read}) {
        keyed_io io(op, sector{0}, data, key);
        CHECK(rig.ends_with(blk_status::ok, io));
    }
    CHECK(count_in_memory(pieces) == pieces.size()); // the owner's
    CHECK_FALSE(evict_key(rig.e, *rig.device, nullptr, *key.key));
    key.key.reset();
    CHECK(count_in_memory(pieces) == 0);
}

TEST_CASE("a reset of an engine without slots loses nothing") {
    engine_rig rig(engine_with(0));
    const test_key key(rig.random);
    auto data = random_bytes(unit_bytes, rig.random.next());
    keyed_io write(bio_op::write, sector{8}, data, key);
    rig.queue->submit(write.io.what);
    CHECK_FALSE(rig.device->reset(rig.e));
    rig.drain();
    CHECK(write.ended_with(blk_status::ok));
    CHECK(std::ranges::equal(rig.lower.medium(sector{8}, unit_bytes), ciphertext(key, sector{8}, data)));
}

TEST_CASE("a reset comes through however busy the workers are") {
    auto e = *thread_env::make();
    auto pool = *worker_pool::make(2, "engine");
    const auto engine = *crypto_engine::make(*e, engine_with(1), {*pool, 2});
    std::atomic<bool> is_over{false};
    std::vector<std::thread> workers;
    for (unsigned worker = 0; worker < 2; ++worker)
        workers.emplace_back([&, worker] {
            while (!is_over)
                const crypto_engine::batch_scope batch(*engine, worker);
        });
    int failed = 0;
    for (int i = 0; i < 100; ++i)
        failed += engine->reset(*e) ? 1 : 0;
    is_over = true;
    for (auto& worker : workers)
        worker.join();
    CHECK(failed == 0);
}

TEST_CASE("two workers of an engine without slots use different keys at once, and resets come between") {
    auto e = *thread_env::make();
    std::vector<std::byte> storage(4 << 20);
    auto memory = make_memory_device(storage);
    auto pool = *worker_pool::make(2, "engine");
    auto device = *make_inline_crypto_device(*memory, engine_with(0), *e, {*pool, 2});
    std::atomic<int> wrong{0};
    const auto work = [&](std::uint64_t half) {
        const auto mine = *thread_env::make();
        const auto queue = *device->make_queue(*mine, {.depth = 8});
        random_source random(test_seed() + half);
        const test_key a(random), b(random);
        for (std::uint64_t i = 0; i < 100; ++i) {
            const sector at{half * 4096 + i % 50 * 16};
            auto first = random_bytes(unit_bytes, random.next()),
                 second = random_bytes(unit_bytes, random.next());
            keyed_io one(bio_op::write, at, first, a), two(bio_op::write, sector{at.value + 8}, second, b);
            queue->submit(one.io.what);
            queue->submit(two.io.what);
            wait_for_all(*queue);
            const bytes_view stored = bytes_view(storage).subspan(to_bytes(at).value, 2 * unit_bytes);
            wrong += std::ranges::equal(stored.first(unit_bytes), ciphertext(a, at, first)) ? 0 : 1;
            wrong += std::ranges::equal(stored.last(unit_bytes), ciphertext(b, sector{at.value + 8}, second))
                         ? 0
                         : 1;
            wrong += i % 10 == 0 && device->reset(*mine) ? 1 : 0;
        }
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    CHECK(wrong.load() == 0);
}
