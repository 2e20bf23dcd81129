// SPDX-License-Identifier: Apache-2.0
// Bios that have to wait: for a job, for bounce memory, for a tfm. All of them finish.
#include "tests/inline_crypt/fallback_stack.hpp"
#include "tests/inline_crypt/profile_asker.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <string_view>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr queue_options no_bounce{.depth = 8, .bounce_bytes = 0};
constexpr queue_options one_page{.depth = 8, .io_size_bytes = 4096, .bounce_bytes = 4096};

using io_list = std::vector<std::unique_ptr<test_io>>;

// Writes of 1 to 5 pages, then reads of the same, spread over the queues, all at once.
void check_all_finish(fallback_stack& stack, std::initializer_list<submit_queue*> queues,
                      std::uint32_t unit_bytes) {
    const std::vector<submit_queue*> all(queues);
    std::vector<test_key> keys;
    io_list writes, reads;
    for (int i = 0; i < 3; ++i)
        keys.push_back(stack.make_key(unit_bytes));
    for (std::size_t i = 0; i < 60; ++i) {
        const std::size_t size = std::max<std::size_t>(unit_bytes, 4096) * (1 + stack.random.below(5));
        writes.push_back(stack.make_write(i * 160, size, keys[i % 3]));
        all[stack.random.below(all.size())]->submit(writes.back()->request);
    }
    REQUIRE(stack.drain(queues));
    for (std::size_t i = 0; i < writes.size(); ++i) {
        const auto expected = expected_ciphertext(*writes[i], keys[i % 3]);
        CHECK(writes[i]->ended_with(blk_status::ok));
        CHECK(stack.on_device(*writes[i], expected.size()) == expected);
        reads.push_back(stack.make_io(bio_op::read, i * 160, expected.size(), keys[i % 3]));
        all[stack.random.below(all.size())]->submit(reads.back()->request);
    }
    REQUIRE(stack.drain(queues));
    for (std::size_t i = 0; i < writes.size(); ++i)
        CHECK(reads[i]->memory.read() == writes[i]->memory.read());
}

} // namespace

TEST_CASE("writes finish whatever little bounce memory there is") {
    for (const unsigned reserve_pages : {1U, 2U, 3U, 7U})
        for (const std::uint32_t unit_bytes : {512U, 4096U}) {
            CAPTURE(reserve_pages);
            fallback_stack stack({.keyslots = 1,
                                  .order = completion_order::shuffled,
                                  .fallback = {.kernel = {.bounce_reserve_pages = reserve_pages}},
                                  .queue = no_bounce});
            check_all_finish(stack, {stack.queue.get()}, unit_bytes);
        }
}

TEST_CASE("queues that share a small reserve and few keyslots all finish") {
    for (const unsigned reserve_pages : {1U, 2U, 5U})
        for (const unsigned workers : {0U, 2U})
            for (const unsigned keyslots : {1U, 2U}) {
                CAPTURE(reserve_pages);
                fallback_stack stack({.keyslots = keyslots,
                                      .order = completion_order::shuffled,
                                      .fallback = {.kernel = {.bounce_reserve_pages = reserve_pages},
                                                   .decrypt_workers = workers},
                                      .queue = no_bounce,
                                      .decrypt_delay_max_ns = 5000});
                const auto second = stack.make_queue(one_page);
                const auto third = stack.make_queue(no_bounce);
                check_all_finish(stack, {stack.queue.get(), second.get(), third.get()}, 4096);
            }
}

TEST_CASE("queues whose units need different amounts of a shared reserve all finish") {
    fallback_stack stack({.order = completion_order::shuffled,
                          .fallback = {.kernel = {.bounce_reserve_pages = 5}},
                          .queue = no_bounce});
    const auto second = stack.make_queue(no_bounce);
    const test_key large = stack.make_key(16384);
    const test_key small = stack.make_key(512);
    io_list writes;
    for (std::uint64_t i = 0; i < 40; ++i) {
        const bool is_large = stack.random.below(2) == 0;
        writes.push_back(stack.make_write(i * 64, is_large ? 32768 : 6144, is_large ? large : small));
        (stack.random.below(2) == 0 ? stack.queue : second)->submit(writes.back()->request);
    }
    REQUIRE(stack.drain({stack.queue.get(), second.get()}));
    CHECK(std::ranges::all_of(writes, [](const auto& w) { return w->ended_with(blk_status::ok); }));
}

TEST_CASE("a queue whose units the reserve can never hold does not keep others from it") {
    fallback_stack stack({.order = completion_order::manual,
                          .fallback = {.kernel = {.bounce_reserve_pages = 1}},
                          .queue = no_bounce});
    const auto with_own = stack.make_queue({.depth = 8, .io_size_bytes = 16384, .bounce_bytes = 16384});
    const test_key large = stack.make_key(16384);
    const test_key small = stack.make_key(4096);
    auto two_units = stack.make_write(0, 32768, large);
    auto two_pages = stack.make_write(128, 8192, small);
    with_own->submit(two_units->request);
    with_own->poll(); // one unit is on its way, one waits
    stack.queue->submit(two_pages->request);
    for (int polls = 0; polls < 10; ++polls) {
        if (stack.device.held() > 1)
            stack.device.complete_held(1); // the pages go ahead
        stack.queue->poll();
        with_own->poll();
    }
    CHECK(two_pages->ended_with(blk_status::ok));
    while (stack.device.held() != 0) {
        stack.device.complete_all_held();
        with_own->poll();
    }
    CHECK(two_units->ended_with(blk_status::ok));
}

TEST_CASE("more bios than the depth wait and finish") {
    for (const unsigned depth : {0U, 1U, 4U}) {
        fallback_stack stack({.order = completion_order::shuffled, .queue = {.depth = depth}});
        const test_key key = stack.make_key();
        io_list writes;
        for (std::uint64_t i = 0; i < 100; ++i) {
            writes.push_back(stack.make_write(i * 16, 8192, key));
            stack.queue->submit(writes.back()->request);
        }
        CHECK(stack.queue->in_flight() == 100);
        REQUIRE(stack.drain());
        CHECK(stack.queue->in_flight() == 0);
        CHECK(std::ranges::all_of(writes, [](const auto& w) { return w->ended_with(blk_status::ok); }));
    }
}

TEST_CASE("bios submitted from an end_io are run by later polls") {
    fallback_stack stack({.order = completion_order::shuffled, .queue = {.depth = 1}});
    const test_key key = stack.make_key();
    io_list chain;
    for (std::uint64_t i = 0; i < 20; ++i)
        chain.push_back(stack.make_write(i * 16, 8192, key));
    for (std::size_t i = 0; i + 1 < chain.size(); ++i)
        chain[i]->on_end = [&, i] { stack.queue->submit(chain[i + 1]->request); };
    stack.queue->submit(chain.front()->request);
    unsigned ended = 0;
    while (const unsigned count = stack.queue->wait())
        ended += count;
    CHECK(ended == chain.size());
    CHECK(chain.back()->ended_with(blk_status::ok));
}

TEST_CASE("a bio parked for bounce memory holds no tfm") {
    fallback_stack stack({.keyslots = 1,
                          .order = completion_order::manual,
                          .fallback = {.kernel = {.bounce_reserve_pages = 1}},
                          .queue = no_bounce});
    const auto other = stack.make_queue(one_page);
    const test_key first_key = stack.make_key();
    const test_key second_key = stack.make_key();
    auto parked = stack.make_write(0, 8192, first_key);
    stack.queue->submit(parked->request);
    stack.queue->poll();
    CHECK(stack.device.held() == 1); // its first page
    auto passing = stack.make_write(64, 4096, second_key);
    other->submit(passing->request);
    other->poll();
    REQUIRE(stack.device.held() == 2);
    stack.device.complete_held(1);
    other->poll();
    CHECK(passing->ended_with(blk_status::ok));
    CHECK(other->keyslot_use().waits == 0);
    while (parked->ends == 0 && stack.device.held() != 0) {
        stack.device.complete_all_held();
        stack.queue->poll();
        stack.queue->poll();
    }
    CHECK(parked->ended_with(blk_status::ok));
    CHECK(stack.on_device(0, 8192) == expected_ciphertext(*parked, first_key));
}

TEST_CASE("a queue that was woken for the reserve and found memory of its own passes the wake on") {
    fallback_stack stack({.order = completion_order::manual,
                          .fallback = {.kernel = {.bounce_reserve_pages = 1}},
                          .queue = no_bounce});
    const auto with_own = stack.make_queue(one_page);
    const test_key key = stack.make_key();
    auto three_pages = stack.make_write(0, 3 * 4096, key);
    auto waiting = stack.make_write(64, 4096, key);
    with_own->submit(three_pages->request);
    with_own->poll(); // its own page, the reserve, then it waits
    stack.queue->submit(waiting->request);
    stack.queue->poll(); // waits behind it
    REQUIRE(stack.device.held() == 2);
    stack.device.complete_all_held(); // both pages come free in one poll
    for (int polls = 0; polls < 10; ++polls) {
        with_own->poll();
        stack.queue->poll();
    }
    CHECK(stack.device.held() == 2); // the third page and the other queue's
    stack.device.complete_all_held();
    REQUIRE(stack.drain({with_own.get(), stack.queue.get()}));
    CHECK(three_pages->ended_with(blk_status::ok));
    CHECK(waiting->ended_with(blk_status::ok));
}

TEST_CASE("a queue that needs the reserve no more is not in the line for it, and may end") {
    for (const bool ends_early : {false, true}) {
        fallback_stack stack({.order = completion_order::manual,
                              .fallback = {.kernel = {.bounce_reserve_pages = 1}},
                              .queue = no_bounce});
        const test_key key = stack.make_key();
        auto holder = stack.make_write(0, 4096, key);
        stack.queue->submit(holder->request);
        stack.queue->poll();
        REQUIRE(stack.device.held() == 1);

        auto short_lived = stack.make_queue(one_page);
        auto two_pages = stack.make_write(64, 8192, key);
        short_lived->submit(two_pages->request);
        short_lived->poll();
        REQUIRE(stack.device.held() == 2);
        stack.device.complete_held(1);
        short_lived->poll(); // goes on with its own page, not the reserve
        REQUIRE(stack.device.held() == 2);
        stack.device.complete_held(1);
        short_lived->poll();
        REQUIRE(two_pages->ended_with(blk_status::ok));
        if (ends_early)
            short_lived.reset();

        auto behind = stack.make_write(128, 4096, key);
        stack.queue->submit(behind->request);
        stack.queue->poll();
        stack.device.complete_all_held();
        stack.queue->poll();
        stack.queue->poll();
        stack.device.complete_all_held();
        REQUIRE(stack.drain());
        CHECK(holder->ended_with(blk_status::ok));
        CHECK(behind->ended_with(blk_status::ok));
    }
}

TEST_CASE("reads decrypted by workers in any order end once each, with the right data") {
    for (const unsigned keyslots : {1U, 3U}) {
        fallback_stack stack({.keyslots = keyslots,
                              .order = completion_order::shuffled,
                              .fallback = {.decrypt_workers = 3},
                              .decrypt_delay_max_ns = 50'000});
        auto second = stack.make_queue({});
        check_all_finish(stack, {stack.queue.get(), second.get()}, 4096);
        CHECK((stack.queue->keyslot_use().waits + second->keyslot_use().waits != 0) == (keyslots == 1));
    }
}

TEST_CASE("a bio that is woken in another queue's poll goes on before the thread sleeps") {
    fallback_stack stack({.keyslots = 1, .fallback = {.decrypt_workers = 1}});
    const auto other_queue = stack.make_queue({});
    const test_key wanted = stack.make_key();
    const test_key in_the_way = stack.make_key();
    profile_asker holder(stack.env);
    const tfm_grant held = stack.fallback->tfms().acquire(*in_the_way.key, holder);
    REQUIRE(held.outcome == acquire_outcome::ready);

    const auto read = stack.make_io(bio_op::read, 0, 4096, wanted);
    stack.queue->submit(read->request);
    for (int polls = 0; polls < 4; ++polls)
        REQUIRE(stack.queue->poll() == 0);
    REQUIRE(stack.queue->keyslot_use().waits == 1);
    // The slot comes free after this queue's last look, and the wake-up runs in the other queue's poll.
    stack.fallback->tfms().release(stack.env, held.lease);
    REQUIRE(other_queue->poll() == 0);
    stack.env.sleep(); // aborts if there is nothing to wake for
    REQUIRE(stack.drain({stack.queue.get(), other_queue.get()}));
    CHECK(read->ended_with(blk_status::ok));
}

TEST_CASE("queues that come and go one after another use the same lane") {
    fallback_stack stack({.fallback = {.decrypt_workers = 1}});
    const auto next = [&] { return crypto_fallback::taken_lane(*stack.fallback).index(); };
    CHECK(next() == 2); // 0 is the worker's, 1 the stack's own queue's
    for (int i = 0; i < 3; ++i)
        stack.make_queue({});
    CHECK(next() == 2);
}

// --- who goes first ---

TEST_CASE("a write that would find memory does not overtake one that waits for more") {
    fallback_stack stack({.order = completion_order::manual,
                          .fallback = {.kernel = {.bounce_reserve_pages = 0}},
                          .queue = {.depth = 8, .io_size_bytes = 16384, .bounce_bytes = 16384}});
    const test_key small = stack.make_key(4096);
    const test_key large = stack.make_key(16384);
    auto first = stack.make_write(0, 4096, small);
    auto waits = stack.make_write(64, 16384, large);
    auto behind = stack.make_write(128, 4096, small);
    for (auto* io : {&first, &waits, &behind})
        stack.queue->submit((*io)->request);
    stack.queue->poll();
    CHECK(stack.device.held() == 1);
    for (int rounds = 0; rounds < 3; ++rounds) {
        stack.device.complete_all_held();
        stack.queue->poll();
    }
    REQUIRE(stack.drain());
    REQUIRE(stack.device.requests().size() == 3);
    CHECK(stack.device.requests()[1].start == sector{64});
    CHECK(stack.device.requests()[2].start == sector{128});
}

// The plain bio's end_io runs when a job has come free and before the one that waits for it was looked at.
TEST_CASE("a bio submitted from an end_io does not overtake those that wait for their turn") {
    fallback_stack stack({.queue = {.depth = 1}});
    const test_key key = stack.make_key();
    auto first = stack.make_write(0, 4096, key);
    auto waits = stack.make_write(64, 4096, key);
    auto late = stack.make_write(128, 4096, key);
    auto plain = stack.make_io(bio_op::write, 192, 4096);
    plain->on_end = [&] { stack.queue->submit(late->request); };
    for (auto* io : {&first, &waits, &plain})
        stack.queue->submit((*io)->request);
    REQUIRE(stack.drain());
    CHECK(late->ended_with(blk_status::ok));
    REQUIRE(stack.device.requests().size() == 4);
    CHECK(stack.device.requests()[2].start == sector{64});
    CHECK(stack.device.requests()[3].start == sector{128});
}

TEST_CASE("a reserve that comes back just before a queue waits for it wakes the queue") {
    struct returning_hooks final : env_hooks {
        void reached(hook_point point, const resource_class& what, io_context) noexcept override {
            const bool is_reserve = std::string_view(what.name) == "crypto_fallback.reserve.waiting";
            if (point == hook_point::wait_begin && is_reserve && on_wait)
                std::exchange(on_wait, {})();
        }
        std::uint64_t order_stamp() noexcept override { return ++stamps; }
        std::function<void()> on_wait;
        std::uint64_t stamps = 0;
    } hooks;
    fallback_stack stack(
        {.fallback = {.kernel = {.bounce_reserve_pages = 1}}, .queue = no_bounce, .hooks = &hooks});
    const test_key key = stack.make_key();
    const bounce_chunk taken = stack.fallback->try_get_reserve(stack.env, 4096, 4096);
    REQUIRE(taken);
    bool has_waited = false;
    hooks.on_wait = [&] {
        has_waited = true;
        stack.fallback->put_reserve(stack.env, taken);
    };
    auto write = stack.make_write(0, 4096, key);
    CHECK(stack.run(*write));
    CHECK(has_waited);
    CHECK(write->ended_with(blk_status::ok));
}

TEST_CASE("a queue may end while the wake that it waited for is still on its way to it") {
    fallback_stack stack({.keyslots = 1,
                          .order = completion_order::manual,
                          .fallback = {.kernel = {.bounce_reserve_pages = 1}},
                          .queue = one_page});
    const test_key key = stack.make_key(), other = stack.make_key();
    const once_key once(key);
    const bounce_chunk reserve = stack.fallback->try_get_reserve(stack.env, 4096, 4096);
    REQUIRE(reserve);
    auto first = stack.make_write(0, 4096, key);
    auto waiting = stack.make_write(64, 4096, key);
    waiting->request.set_crypt_ctx(once, dun(1));
    stack.queue->submit(first->request);
    stack.queue->poll();
    stack.queue->submit(waiting->request);
    stack.queue->poll(); // has had its key programmed, and waits for memory
    auto thief = stack.make_io(bio_op::read, 128, 4096, other);
    stack.queue->submit(thief->request);
    stack.queue->poll();
    stack.device.complete_held(1);
    stack.queue->poll();
    REQUIRE(thief->ended_with(blk_status::ok)); // and has taken the slot
    // In one poll the queue gets its page back and the reserve comes, too late to be needed: the write fails.
    auto plain = stack.make_io(bio_op::write, 256, 512);
    plain->on_end = [&] { stack.fallback->put_reserve(stack.env, reserve); };
    stack.queue->submit(plain->request);
    stack.queue->poll();
    stack.device.complete_all_held();
    while (stack.queue->in_flight() != 0)
        stack.queue->poll();
    CHECK(first->ended_with(blk_status::ok));
    CHECK(waiting->ended_with(blk_status::target));
    stack.queue.reset();
    CHECK(stack.env.run_ready() == 0); // nothing is posted for a queue that is no more
    CHECK(stack.fallback->reserve_is_whole(stack.env));
}
