// SPDX-License-Identifier: Apache-2.0
// Native and fallback side by side: what must not depend on the way a bio took.
#include "blkcrypto/base/thread_env.hpp"
#include "tests/dev/path.hpp"
#include "tests/inline_crypt/scattered_buffer.hpp"
#include "tests/support/property.hpp"

#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t unit_bytes = 4096;
constexpr sector capacity = path::capacity;

/// A bio that may be submitted in pieces.
struct piecewise_io final : bio_end_io {
    piecewise_io(bio_op op, sector at, std::size_t size_bytes, random_source& random)
        : memory(size_bytes, unit_bytes, random) {
        request.prepare(op, at, memory.segments(), *this);
    }
    void end_io(bio&) noexcept override { ++ends; }

    void submit(path& on) {
        if (on.options.split_bytes == 0)
            return on.queue->submit(request);
        const std::size_t count =
            (request.iter.size_bytes + on.options.split_bytes - 1) / on.options.split_bytes;
        chain.begin(request, static_cast<unsigned>(count));
        rest.clone_from(request, chain);
        for (std::size_t i = 1; i < count; ++i) {
            REQUIRE_FALSE(rest.split(on.options.split_bytes, fronts.emplace_back(), chain));
            on.queue->submit(fronts.back());
        }
        on.queue->submit(rest);
    }

    scattered_buffer memory;
    bio request, rest;
    std::deque<bio> fronts;
    bio_chain chain;
    int ends = 0;
};

/// What is written: the same for every path.
struct planned_write {
    sector at;
    std::vector<std::byte> data;
    dun first;
    const test_key& key;
};

std::deque<planned_write> plan_writes(std::span<const test_key> keys) {
    random_source random(test_seed() + 5);
    std::deque<planned_write> plan;
    for (std::uint64_t i = 0; i < 24; ++i) {
        const sector at{i * 160 + 8 * random.below(4)};
        auto data = random_bytes(unit_bytes * (1 + random.below(16)), random.next());
        const dun first(uint256(UINT64_MAX - random.below(20), random.next(), 0, 0));
        plan.push_back({at, std::move(data), first, keys[i % keys.size()]});
    }
    return plan;
}

std::vector<std::byte> image_of(simulated_device& medium) {
    return {medium.medium().begin(), medium.medium().end()};
}

// The medium after the writes, in segments of another layout for each path. They are read back too.
std::vector<std::byte> image_after_writes(path& on, const std::deque<planned_write>& plan,
                                          std::uint64_t layout_seed) {
    random_source layout(layout_seed);
    std::deque<piecewise_io> writes, reads;
    for (const planned_write& planned : plan) {
        on.start(*planned.key.key);
        for (auto* ios : {&writes, &reads}) {
            const bio_op op = ios == &writes ? bio_op::write : bio_op::read;
            piecewise_io& io = ios->emplace_back(op, planned.at, planned.data.size(), layout);
            io.request.set_crypt_ctx(*planned.key.key, planned.first);
        }
        writes.back().memory.write(planned.data);
        writes.back().submit(on);
    }
    on.drain();
    for (piecewise_io& read : reads)
        read.submit(on);
    on.drain();
    for (std::size_t i = 0; i < writes.size(); ++i) {
        CHECK((writes[i].ends == 1 && writes[i].request.status == blk_status::ok));
        CHECK((reads[i].ends == 1 && reads[i].request.status == blk_status::ok));
        CHECK(reads[i].memory.read() == plan[i].data);
    }
    return image_of(on.medium);
}

// The same writes by two threads, each with a queue of its own and every other write.
std::vector<std::byte> image_after_two_threads(const std::deque<planned_write>& plan) {
    simulated_env e(test_seed());
    simulated_device medium(capacity, completion_order::shuffled, test_seed());
    auto fallback = *crypto_fallback::make(e, *make_keyslot_tfms(e, 2, 2), {});
    for (const planned_write& planned : plan)
        REQUIRE_FALSE(start_using_key(e, medium, fallback.get(), *planned.key.key));
    const auto write_every_other = [&](std::size_t first) {
        const auto mine = *thread_env::make();
        const auto queue = *submit_queue::make(medium, fallback.get(), *mine, {.depth = 4});
        random_source layout(test_seed() + first);
        std::deque<piecewise_io> writes;
        for (std::size_t i = first; i < plan.size(); i += 2) {
            piecewise_io& io = writes.emplace_back(bio_op::write, plan[i].at, plan[i].data.size(), layout);
            io.memory.write(plan[i].data);
            io.request.set_crypt_ctx(*plan[i].key.key, plan[i].first);
            queue->submit(io.request);
        }
        while (queue->in_flight() != 0)
            queue->wait();
    };
    std::thread other(write_every_other, 1);
    write_every_other(0);
    other.join();
    return image_of(medium);
}

/// Evicts its bio's key and frees it as soon as the bio ends, as the owner of a key may.
struct evicting_end_io final : bio_end_io {
    evicting_end_io(path& p, std::unique_ptr<crypto_key> k) : on(p), key(std::move(k)) {}
    void end_io(bio&) noexcept override {
        ++ends;
        evicted = evict_key(on.e, *on.top, on.fallback.get(), *key);
        key.reset();
    }
    path& on;
    std::unique_ptr<crypto_key> key;
    std::error_code evicted = make_error(EAGAIN);
    int ends = 0;
};

constexpr auto shuffled = completion_order::shuffled;

} // namespace

TEST_CASE(
    "ciphertext does not depend on splits, encrypted bios, segments, threads, slots, or native or fallback" *
    PROPERTY(37)) {
    random_source random(test_seed());
    std::deque<test_key> made;
    for (int i = 0; i < 5; ++i)
        made.emplace_back(random, unit_bytes);
    std::vector<test_key> keys(std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
    const path_options all[] = {
        {.name = "fallback", .engine_keyslots = {}},
        {.name = "fallback, one slot", .engine_keyslots = {}, .fallback_keyslots = 1, .order = shuffled},
        {.name = "fallback, page by page",
         .engine_keyslots = {},
         .queue = {.depth = 4, .bounce_bytes = 4096}},
        {.name = "fallback, workers", .engine_keyslots = {}, .decrypt_workers = 2, .order = shuffled},
        {.name = "fallback, split by 4096", .engine_keyslots = {}, .split_bytes = 4096},
        {.name = "fallback, split by 12288", .engine_keyslots = {}, .order = shuffled, .split_bytes = 12288},
        {.name = "engine", .engine_keyslots = 32},
        {.name = "engine, one slot", .engine_keyslots = 1, .order = shuffled},
        {.name = "engine, little memory", .engine_keyslots = 4, .queue = {.depth = 2, .bounce_bytes = 0}},
        {.name = "engine without slots", .engine_keyslots = 0, .order = shuffled},
        {.name = "engine, split by 8192", .engine_keyslots = 2, .split_bytes = 8192},
    };
    const auto plan = plan_writes(keys);
    const auto by_threads = image_after_two_threads(plan);
    std::uint64_t layout_seed = test_seed() + 100;
    for (const path_options& options : all) {
        CAPTURE(std::string(options.name));
        path on(options);
        CHECK(image_after_writes(on, plan, ++layout_seed) == by_threads);
        CHECK(on.medium.encrypted_requests() == 0);
    }
}

TEST_CASE("the width that a key declares for its DUNs is a matter of capability, never of ciphertext" *
          PROPERTY(6)) {
    random_source random(test_seed());
    const auto bytes = random_bytes(64, random.next()), data = random_bytes(2 * unit_bytes, random.next());
    std::vector<std::byte> first;
    for (const std::uint8_t dun_bytes :
         {std::uint8_t{1}, std::uint8_t{8}, std::uint8_t{9}, std::uint8_t{16}}) {
        CAPTURE(dun_bytes);
        engine_profile profile = *find_engine_profile("ufs-std");
        path on({.name = "engine", .engine_keyslots = {}});
        on.engine = *make_inline_crypto_device(on.medium, profile, on.e, {on.worker, 1});
        on.top = on.engine.get();
        on.queue = *submit_queue::make(*on.top, on.fallback.get(), on.e, {});
        const auto key = *crypto_key::make(
            bytes, {crypto_mode::aes_256_xts, *data_unit_size::make(unit_bytes), dun_bytes});
        CHECK(config_supported_natively(*on.top, key->config()) == (dun_bytes <= 8));
        on.start(*key);
        piecewise_io write(bio_op::write, sector{16}, data.size(), random);
        write.memory.write(data);
        write.request.set_crypt_ctx(*key, dun(7));
        write.submit(on);
        on.drain();
        const bytes_span stored = on.medium.medium(sector{16}, data.size());
        if (first.empty())
            first.assign(stored.begin(), stored.end());
        CHECK(std::ranges::equal(stored, first));
    }
}

TEST_CASE("the slot is released before the last end_io runs, in which the key may be evicted and freed" *
          PROPERTY(25)) {
    for (const path_options& options :
         {path_options{.name = "fallback", .engine_keyslots = {}, .fallback_keyslots = 1},
          path_options{.name = "workers", .engine_keyslots = {}, .decrypt_workers = 1},
          path_options{.name = "engine", .engine_keyslots = 1},
          path_options{.name = "engine without slots", .engine_keyslots = 0}})
        for (const bio_op op : {bio_op::write, bio_op::read}) {
            CAPTURE(std::string(options.name));
            path on(options);
            random_source random(test_seed());
            test_key key(random, unit_bytes);
            on.start(*key.key);
            scattered_buffer memory(8 * unit_bytes, unit_bytes, random);
            evicting_end_io owner(on, std::move(key.key));
            bio b;
            b.prepare(op, sector{0}, memory.segments(), owner);
            b.set_crypt_ctx(*owner.key, dun(1));
            on.queue->submit(b);
            on.drain();
            CHECK(owner.ends == 1);
            CHECK(b.status == blk_status::ok);
            CHECK_FALSE(owner.evicted);
        }
}
