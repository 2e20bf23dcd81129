// SPDX-License-Identifier: Apache-2.0
// The merge rules seen from outside: what the device below is asked for, and what is on it afterwards. Where
// tests of bio_mergeable() ask the rule (properties 8 to 11), these ask the data path.
#include "tests/inline_crypt/fallback_stack.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t page_sectors = 8;

using io_list = std::vector<std::unique_ptr<test_io>>;

// All of them between two polls.
void submit_all(fallback_stack& stack, const io_list& ios) {
    for (const auto& io : ios)
        stack.queue->submit(io->request);
    REQUIRE(stack.drain());
}

bool all_end_with(const io_list& ios, blk_status expected) {
    return std::ranges::all_of(ios, [&](const auto& io) { return io->ended_with(expected); });
}

// What the device was asked for to do this: as "start+pages", in sectors.
std::vector<std::pair<std::uint64_t, std::uint64_t>> requests_of(const fallback_stack& stack) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
    for (const auto& r : stack.device.requests())
        seen.emplace_back(r.start.value, r.size_bytes / page_bytes);
    return seen;
}

using seen_requests = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

// A page written under a DUN that is its number plus 1.
std::unique_ptr<test_io> page_write(fallback_stack& stack, std::uint64_t page, const test_key& key) {
    return stack.make_write(page * page_sectors, page_bytes, key, dun(page + 1));
}

} // namespace

TEST_CASE("writes side by side under one key are one write below, in whatever order they come") {
    for (const std::vector<std::uint64_t>& order :
         {std::vector<std::uint64_t>{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 2, 0, 3}}) {
        fallback_stack stack;
        const test_key key = stack.make_key();
        io_list writes;
        for (const std::uint64_t page : order)
            writes.push_back(page_write(stack, page, key));
        submit_all(stack, writes);
        CHECK(all_end_with(writes, blk_status::ok));
        CHECK(requests_of(stack) == seen_requests{{0, 4}});
        for (std::size_t i = 0; i < order.size(); ++i)
            CHECK(stack.on_device(order[i] * page_sectors, page_bytes) ==
                  expected_ciphertext(*writes[i], key, dun(order[i] + 1)));
        CHECK(stack.queue->keyslot_use().hits + stack.queue->keyslot_use().misses == 1);
    }
}

TEST_CASE("reads side by side under one key are one read below, decrypted each into its own memory") {
    fallback_stack stack;
    const test_key key = stack.make_key();
    io_list writes, reads;
    for (std::uint64_t page = 0; page < 4; ++page)
        writes.push_back(page_write(stack, page, key));
    submit_all(stack, writes);
    const std::size_t before = stack.device.requests().size();
    for (const std::uint64_t page : {2U, 1U, 3U, 0U})
        reads.push_back(stack.make_io(bio_op::read, page * page_sectors, page_bytes, key, dun(page + 1)));
    submit_all(stack, reads);
    CHECK(all_end_with(reads, blk_status::ok));
    CHECK(stack.device.requests().size() == before + 1);
    unsigned place = 0;
    for (const std::uint64_t page : {2U, 1U, 3U, 0U})
        CHECK(reads[place++]->memory.read() == writes[page]->memory.read());
}

TEST_CASE("on the way down neighbours with another key, an equal key or another DUN stay apart") {
    fallback_stack stack;
    const test_key key = stack.make_key(), other = stack.make_key();
    const auto twin = *crypto_key::make(key.bytes, key.key->config());
    REQUIRE_FALSE(start_using_key(stack.env, stack.device, stack.fallback.get(), *twin));
    io_list writes;
    writes.push_back(page_write(stack, 0, key));
    writes.push_back(page_write(stack, 1, other));
    writes.push_back(page_write(stack, 2, key));
    writes.back()->request.set_crypt_ctx(*twin, dun(3));
    writes.push_back(stack.make_write(3 * page_sectors, page_bytes, key, dun(77)));
    submit_all(stack, writes);
    CHECK(all_end_with(writes, blk_status::ok));
    // The device has no keys: encrypted bios that are neighbours there are its own business. Here it merges
    // nothing, so that what was merged above it shows.
    CHECK(requests_of(stack) == seen_requests{{0, 1}, {8, 1}, {16, 1}, {24, 1}});
    CHECK(stack.on_device(16, page_bytes) == expected_ciphertext(*writes[2], key, dun(3)));
    CHECK(stack.on_device(24, page_bytes) == expected_ciphertext(*writes[3], key, dun(77)));
}

TEST_CASE("on the way down plain and encrypted neighbours stay apart") {
    fallback_stack stack;
    const test_key key = stack.make_key();
    io_list writes;
    writes.push_back(page_write(stack, 0, key));
    writes.push_back(stack.make_io(bio_op::write, page_sectors, page_bytes));
    writes.push_back(page_write(stack, 2, key));
    submit_all(stack, writes);
    CHECK(all_end_with(writes, blk_status::ok));
    CHECK(stack.device.requests().size() == 3);
    CHECK(stack.on_device(page_sectors, page_bytes) == writes[1]->memory.read());
}

TEST_CASE("a run under one key asks once for its tfm, between two polls, whether it merges or not") {
    fallback_stack stack;
    const test_key key = stack.make_key(), other = stack.make_key();
    io_list writes;
    for (const std::uint64_t page : {0U, 10U, 20U, 30U})
        writes.push_back(page_write(stack, page, key));
    for (const std::uint64_t page : {40U, 50U})
        writes.push_back(page_write(stack, page, other));
    submit_all(stack, writes);
    CHECK(stack.device.requests().size() == 6);
    CHECK(stack.queue->keyslot_use().misses == 2);
    CHECK(stack.queue->keyslot_use().hits == 0);
    // Nothing is held on to after that: both keys may go.
    CHECK_FALSE(evict_key(stack.env, stack.device, stack.fallback.get(), *key.key));
    CHECK_FALSE(evict_key(stack.env, stack.device, stack.fallback.get(), *other.key));
}

TEST_CASE("one slot serves neighbours under two keys in turn") {
    fallback_stack stack({.keyslots = 1});
    const test_key keys[]{stack.make_key(), stack.make_key()};
    io_list writes;
    for (std::uint64_t page = 0; page < 12; ++page)
        writes.push_back(page_write(stack, page, keys[page / 2 % 2]));
    submit_all(stack, writes);
    CHECK(all_end_with(writes, blk_status::ok));
    CHECK(stack.device.requests().size() == 6);
    for (std::uint64_t page = 0; page < 12; ++page)
        CHECK(stack.on_device(page * page_sectors, page_bytes) ==
              expected_ciphertext(*writes[page], keys[page / 2 % 2], dun(page + 1)));
}

TEST_CASE("when a merged write or read fails all its parts do, and nothing else") {
    for (const bio_op op : {bio_op::write, bio_op::read}) {
        fallback_stack stack;
        const test_key key = stack.make_key();
        stack.device.fail(op, sector{2 * page_sectors}, blk_status::medium);
        io_list ios;
        for (const std::uint64_t page : {0U, 1U, 2U, 100U})
            ios.push_back(stack.make_io(op, page * page_sectors, page_bytes, key, dun(page + 1)));
        submit_all(stack, ios);
        for (unsigned i = 0; i < 3; ++i)
            CHECK(ios[i]->ended_with(blk_status::medium));
        CHECK(ios[3]->ended_with(blk_status::ok));
        CHECK(stack.queue->pools_are_whole());
    }
}

TEST_CASE("a merged write that finds little bounce memory goes out in pieces and parks between them") {
    fallback_stack stack({.order = completion_order::shuffled,
                          .fallback = {.kernel = {.bounce_reserve_pages = 1}},
                          .queue = {.depth = 16, .io_size_bytes = 4096, .bounce_bytes = 8192}});
    const test_key key = stack.make_key();
    io_list writes;
    for (std::uint64_t page = 0; page < 16; ++page)
        writes.push_back(page_write(stack, page, key));
    submit_all(stack, writes);
    CHECK(all_end_with(writes, blk_status::ok));
    for (std::uint64_t page = 0; page < 16; ++page)
        CHECK(stack.on_device(page * page_sectors, page_bytes) ==
              expected_ciphertext(*writes[page], key, dun(page + 1)));
    CHECK(stack.queue->pools_are_whole());
}

TEST_CASE(
    "before a device that takes its time a poll crypts little, before another much, and never sleeps over the rest") {
    constexpr std::uint64_t large_bytes = 128 << 10;
    for (const bool lags : {true, false})
        for (const bio_op op : {bio_op::write, bio_op::read}) {
            fallback_stack stack({.order = lags ? completion_order::manual : completion_order::as_submitted,
                                  .queue = {.depth = 8, .io_size_bytes = large_bytes}});
            const test_key key = stack.make_key();
            io_list ios;
            for (std::uint64_t i = 0; i < 7; ++i) // the first tells what the device is like
                ios.push_back(stack.make_io(op, i * 1000, large_bytes, key));
            REQUIRE((lags || stack.run(*ios[0])));
            for (std::size_t i = lags ? 0 : 1; i < ios.size(); ++i)
                stack.queue->submit(ios[i]->request);
            unsigned most = 0;
            while (stack.queue->in_flight() != 0) {
                const std::size_t held = stack.device.held();
                const unsigned ended = stack.queue->poll();
                const bool writes = op == bio_op::write && lags;
                most = std::max(most, writes ? static_cast<unsigned>(stack.device.held() - held) : ended);
                if (!stack.env.has_due() && lags)
                    stack.device.complete_all_held();
                REQUIRE((stack.env.has_due() || stack.queue->in_flight() == 0 || lags));
            }
            CHECK(most == (lags ? 1 : 2));
            CHECK(all_end_with(ios, blk_status::ok));
        }
}

// The same bios through a stack that merges and one that does not: in bursts of neighbours and strangers,
// under few keys, with DUNs that mostly go on.
TEST_CASE("merging changes no byte, whatever is submitted between two polls") {
    constexpr std::uint64_t pages = 256;
    for (unsigned round = 0; round < 20; ++round) {
        fallback_stack merging({.keyslots = 2, .order = completion_order::shuffled});
        fallback_stack apart(
            {.keyslots = 2, .order = completion_order::shuffled, .queue = {.nomerges = true}});
        std::vector<test_key> keys;
        for (int i = 0; i < 3; ++i) {
            keys.push_back(merging.make_key());
            REQUIRE_FALSE(start_using_key(apart.env, apart.device, apart.fallback.get(), *keys.back().key));
        }
        random_source random(test_seed() + round);
        std::uint64_t page = 0;
        while (page < pages) {
            io_list one, two;
            for (std::uint64_t burst = 1 + random.below(24); burst != 0 && page < pages; --burst) {
                const test_key& key = keys[page / 16 % 3];
                const std::uint64_t length = std::min(1 + random.below(3), pages - page);
                const dun first(random.below(8) == 0 ? page + 1000 : page);
                one.push_back(merging.make_write(page * page_sectors, length * page_bytes, key, first));
                two.push_back(
                    apart.make_io(bio_op::write, page * page_sectors, length * page_bytes, key, first));
                two.back()->memory.write(one.back()->memory.read());
                page += length;
            }
            std::vector<std::size_t> order(one.size());
            for (std::size_t i = 0; i < order.size(); ++i) {
                order[i] = i;
                std::swap(order[i], order[random.below(i + 1)]);
            }
            for (const std::size_t i : order) {
                merging.queue->submit(one[i]->request);
                apart.queue->submit(two[i]->request);
            }
            REQUIRE(merging.drain());
            REQUIRE(apart.drain());
            CHECK(all_end_with(one, blk_status::ok));
        }
        CHECK(merging.on_device(0, pages * page_bytes) == apart.on_device(0, pages * page_bytes));
        CHECK(merging.device.requests().size() < apart.device.requests().size());
    }
}
