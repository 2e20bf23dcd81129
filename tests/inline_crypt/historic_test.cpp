// SPDX-License-Identifier: Apache-2.0
// Bugs that the kernel's blk-crypto has or had, each as what must not happen. The mutations that bring them
// back are the entries of tests/mutations/ that say "historic".
#include "tests/inline_crypt/fallback_stack.hpp"
#include "tests/inline_crypt/profile_asker.hpp"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <optional>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

const doctest::test_suite historic("historic");

struct one_slot_ops final : crypto_ll_ops {
    std::error_code keyslot_program(const key_request&, keyslot_index, acquire_context&) noexcept override {
        ++programs;
        holds_key = true;
        return {};
    }
    std::error_code keyslot_evict(env&, const key_request*, keyslot_index) noexcept override {
        holds_key = false;
        return {};
    }
    std::atomic<int> programs = 0;
    std::atomic<bool> holds_key = false;
};

// A key that the cipher takes until the test says otherwise.
struct breakable_key final : key_request {
    explicit breakable_key(random_source& random) : key_request(xts_config()), from(random) {}
    std::error_code derive(secret& into) const noexcept override {
        return is_broken ? make_error(EINVAL) : from.key->derive(into);
    }
    test_key from;
    bool is_broken = false;
};

} // namespace

TEST_CASE("the only keyslot there is finds its key again and serves one key after another" * historic) {
    fallback_stack stack({.keyslots = 1});
    for (int i = 0; i < 3; ++i) {
        const test_key key = stack.make_key();
        auto write = stack.make_write(0, 8192, key);
        REQUIRE(stack.run(*write));
        auto read = stack.make_io(bio_op::read, 0, 8192, key);
        REQUIRE(stack.run(*read));
        CHECK(read->memory.read() == write->memory.read());
        CHECK_FALSE(evict_key(stack.env, stack.device, stack.fallback.get(), *key.key));
    }
    CHECK(stack.queue->keyslot_use().misses == 3);
    CHECK(stack.queue->keyslot_use().hits == 3);
}

TEST_CASE("a key at the address of one that was evicted while in use is another key" * historic) {
    simulated_env e(test_seed());
    one_slot_ops ops;
    auto profile = *crypto_profile::make(e, {}, 2, ops);
    profile_asker asker(e);
    std::optional<nominal_key> key(std::in_place);
    const keyslot_grant first = profile->get_keyslot(*key, asker);
    CHECK(profile->evict_key(e, *key) == make_error(EBUSY));
    key.emplace();
    const keyslot_grant second = profile->get_keyslot(*key, asker);
    CHECK(second.slot != first.slot);
    CHECK(ops.programs == 2);
    profile->put_keyslot(e, first.slot);
    profile->put_keyslot(e, second.slot);
}

TEST_CASE("an eviction that races with the last put leaves no key in the slot" * historic) {
    constexpr int rounds = 1000;
    one_slot_ops ops;
    simulated_env e(test_seed());
    auto profile = *crypto_profile::make(e, {}, 1, ops);
    nominal_key key;
    std::atomic<int> begun = 0;
    std::atomic<int> evicted = 0;
    std::thread evicting([&] {
        simulated_env mine(test_seed());
        for (int round = 1; round <= rounds; ++round) {
            while (begun.load() != round)
                std::this_thread::yield();
            (void)profile->evict_key(mine, key);
            evicted.store(round);
        }
    });
    profile_asker asker(e);
    random_source random(test_seed());
    int keys_left = 0;
    for (int round = 1; round <= rounds; ++round) {
        const keyslot_grant grant = profile->get_keyslot(key, asker);
        begun.store(round);
        for (auto delay = random.below(200); delay != 0; --delay)
            std::atomic_signal_fence(std::memory_order_seq_cst);
        profile->put_keyslot(e, grant.slot);
        while (evicted.load() != round)
            std::this_thread::yield();
        keys_left += ops.holds_key ? 1 : 0;
    }
    evicting.join();
    CHECK(keys_left == 0);
}

TEST_CASE("a key displaced by one that the cipher refuses is programmed again" * historic) {
    fallback_stack stack({.keyslots = 1});
    const test_key good = stack.make_key();
    const auto weak = make_weak_key();
    REQUIRE_FALSE(start_using_key(stack.env, stack.device, stack.fallback.get(), *weak));
    auto write = stack.make_write(0, 8192, good);
    REQUIRE(stack.run(*write));
    auto refused = stack.make_write(64, 8192, good);
    refused->request.set_crypt_ctx(*weak, dun(1));
    REQUIRE(stack.run(*refused));
    CHECK(refused->ended_with(blk_status::inval));
    auto again = stack.make_write(128, 8192, good);
    REQUIRE(stack.run(*again));
    CHECK(again->ended_with(blk_status::ok));
    CHECK(stack.on_device(*again, 8192) == expected_ciphertext(*again, good));
    CHECK(stack.queue->keyslot_use().misses == 3);
}

TEST_CASE("an owner may evict and free its key in the last end_io" * historic) {
    for (const unsigned workers : {0U, 1U})
        for (const bio_op op : {bio_op::read, bio_op::write}) {
            CAPTURE(workers);
            fallback_stack stack({.keyslots = 1, .fallback = {.decrypt_workers = workers}});
            std::optional<test_key> key(stack.make_key());
            auto io = stack.make_io(op, 0, 8192, *key);
            std::error_code evicted = make_error(EIO);
            io->on_end = [&] {
                evicted = evict_key(stack.env, stack.device, stack.fallback.get(), *key->key);
                key.reset();
            };
            REQUIRE(stack.run(*io));
            CHECK(io->ended_with(blk_status::ok));
            CHECK_FALSE(evicted);
        }
}

TEST_CASE("the error of one encrypted bio is not hidden by those that end well after it" * historic) {
    fallback_stack stack({.fallback = {.kernel = {.bounce_reserve_pages = 1}},
                          .queue = {.depth = 8, .io_size_bytes = 4096, .bounce_bytes = 4096}});
    const test_key key = stack.make_key();
    stack.device.fail(bio_op::write, sector{0}, blk_status::medium);
    auto source = stack.make_write(0, 4 * 4096, key);
    REQUIRE(stack.run(*source));
    CHECK(stack.device.requests().size() == 4);
    CHECK(source->ended_with(blk_status::medium));
}

// Two pages of bounce memory: the first goes to another bio, so that the source goes out page by page.
TEST_CASE("a write whose key is refused in the middle ends once, after what was sent of it" * historic) {
    fallback_stack stack({.keyslots = 1,
                          .order = completion_order::manual,
                          .fallback = {.kernel = {.bounce_reserve_pages = 0}},
                          .queue = {.depth = 8, .io_size_bytes = 4096, .bounce_bytes = 8192}});
    const test_key other = stack.make_key();
    breakable_key key(stack.random);
    auto page = stack.make_write(800, 4096, other);
    auto source = stack.make_io(bio_op::write, 0, 3 * 4096, other);
    source->request.set_crypt_ctx(key, dun(1));
    stack.queue->submit(page->request);
    stack.queue->poll();
    stack.queue->submit(source->request);
    stack.queue->poll();
    REQUIRE(stack.device.held() == 2);
    stack.device.complete_held(0);
    stack.queue->poll();
    REQUIRE(page->ends == 1);
    REQUIRE(stack.device.held() == 2); // two pages of the source
    auto displaces = stack.make_io(bio_op::read, 800, 4096, other);
    stack.queue->submit(displaces->request);
    stack.queue->poll();
    stack.device.complete_held(2);
    stack.queue->poll();
    REQUIRE(displaces->ends == 1);

    key.is_broken = true;
    stack.device.complete_held(0);
    stack.queue->poll();
    CHECK(source->ends == 0);
    stack.device.complete_all_held();
    REQUIRE(stack.drain());
    CHECK(source->ended_with(blk_status::inval));
    CHECK(stack.device.requests().size() == 4);
}
