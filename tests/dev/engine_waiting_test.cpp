// SPDX-License-Identifier: Apache-2.0
// Queues of one engine on one thread, whose bios wait for its slots: none is forgotten when a slot comes
// free.
#include "tests/dev/engine_rig.hpp"

#include <deque>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t unit_bytes = 4096;
constexpr std::uint32_t engine_bytes = 65536; // the least memory an engine's queue has

struct shared_engine {
    shared_engine(unsigned keyslots, unsigned queue_count)
        : e(test_seed()), random(test_seed()), lower({16384}, completion_order::manual, test_seed() + 1),
          engine_thread(e, test_seed() + 2),
          device(*make_inline_crypto_device(lower, engine_with(keyslots), e, {engine_thread, 1})) {
        for (unsigned i = 0; i < queue_count; ++i)
            queues.push_back(
                *device->make_queue(e, {.depth = 4, .io_size_bytes = unit_bytes, .bounce_bytes = 0}));
        for (unsigned i = 0; i < 4; ++i)
            keys.emplace_back(random);
    }

    test_io& write(unsigned queue, std::uint64_t start, std::uint32_t size_bytes, unsigned key) {
        auto& data = memory.emplace_back(size_bytes);
        auto& io = ios.emplace_back(bio_op::write, sector{start}, std::vector<bio_vec>{segment_of(data)});
        io.what.set_crypt_ctx(*keys[key].key, dun(start));
        queues[queue]->submit(io.what);
        return io;
    }

    // As far as it goes without the device.
    void run() {
        for (int polls = 0; polls < 50; ++polls) {
            for (auto& queue : queues)
                queue->poll();
            e.advance_clock(1000);
        }
    }

    bool all_end() {
        for (int rounds = 0; rounds < 50; ++rounds) {
            lower.complete_all_held();
            run();
        }
        for (const test_io& io : ios)
            if (io.ended != 1 || io.what.status != blk_status::ok)
                return false;
        return true;
    }

    simulated_env e;
    random_source random;
    simulated_device lower;
    simulated_executor engine_thread;
    std::unique_ptr<inline_crypto_device> device;
    std::vector<std::unique_ptr<block_queue>> queues;
    std::deque<test_key> keys;
    std::deque<std::vector<std::byte>> memory;
    std::deque<test_io> ios;
};

} // namespace

TEST_CASE("a write that is woken in another queue's poll goes to the engine before the thread sleeps") {
    shared_engine engine(1, 2);
    engine.write(0, 0, unit_bytes, 0);
    engine.run();
    REQUIRE(engine.lower.held() == 1);
    const test_io& waiting = engine.write(1, 64, unit_bytes, 1);
    engine.queues[1]->poll();
    REQUIRE(engine.queues[1]->keyslot_use().waits == 1);
    engine.lower.complete_held();
    while (engine.queues[0]->poll() == 0)
        engine.e.advance_clock(1000);
    // The slot is free and the waiter posted: it runs here, and its own queue is not polled any more.
    REQUIRE(engine.queues[0]->poll() == 0);
    engine.e.sleep(); // aborts if there is nothing to wake for
    CHECK(engine.all_end());
    CHECK(waiting.ended == 1);
}

TEST_CASE("a write that is woken for a slot and has no memory passes the wake on") {
    shared_engine engine(2, 3);
    engine.write(0, 0, unit_bytes, 0);
    engine.write(0, 64, unit_bytes, 1);
    engine.run();
    REQUIRE(engine.lower.held() == 2); // both slots are in use
    engine.write(1, 128, unit_bytes, 2);
    engine.write(1, 256, engine_bytes, 0); // all memory of this queue, in the slot that has the key
    engine.write(2, 512, unit_bytes, 3);
    engine.run();
    REQUIRE(engine.lower.held() == 3);
    engine.lower.complete_held(1);
    engine.run();
    REQUIRE(engine.lower.held() == 3);
    CHECK(engine.lower.requests().back().start == sector{512});
    CHECK(engine.all_end());
}
