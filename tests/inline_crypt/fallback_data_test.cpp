// SPDX-License-Identifier: Apache-2.0
// What is on the device after writes, and in memory after reads.
#include "blkcrypto/block/request.hpp"
#include "tests/inline_crypt/fallback_stack.hpp"
#include "tests/support/property.hpp"

#include <algorithm>
#include <array>
#include <doctest/doctest.h>
#include <sys/mman.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

// Bios that lie one after the other on the device, with gaps, all for one key.
struct workload {
    struct entry {
        std::unique_ptr<test_io> io;
        std::vector<std::byte> data; // plaintext
        dun first;
    };

    workload(fallback_stack& stack, const test_key& with, std::size_t units_max) : key(with) {
        const std::uint32_t unit_bytes = key.key->config().unit_size.bytes();
        std::uint64_t start = stack.random.below(8);
        for (;;) {
            const std::size_t size = unit_bytes * (1 + stack.random.below(units_max));
            if (writes.size() == bios_max || start + size / sector_size_bytes > stack.device.capacity().value)
                return;
            const dun first = random_dun(stack.random);
            auto io = stack.make_write(start, size, key, first);
            auto data = io->memory.read();
            writes.push_back({std::move(io), std::move(data), first});
            start += size / sector_size_bytes + stack.random.below(64);
        }
    }

    static constexpr std::size_t bios_max = 16;
    const test_key& key;
    std::vector<entry> writes;
};

void check_writes(fallback_stack& stack, const workload& load) {
    for (const auto& w : load.writes)
        stack.queue->submit(w.io->request);
    REQUIRE(stack.drain());
    bool all_right = true;
    for (const auto& w : load.writes) {
        all_right &= w.io->ended_with(blk_status::ok);
        all_right &= w.io->memory.read() == w.data;
        all_right &= stack.on_device(*w.io, w.data.size()) == expected_ciphertext(*w.io, load.key, w.first);
    }
    CHECK(all_right);
}

void check_reads(fallback_stack& stack, const workload& load) {
    std::vector<std::unique_ptr<test_io>> reads;
    for (const auto& w : load.writes) {
        reads.push_back(
            stack.make_io(bio_op::read, w.io->request.iter.start.value, w.data.size(), load.key, w.first));
        stack.queue->submit(reads.back()->request);
    }
    REQUIRE(stack.drain());
    bool all_right = true;
    for (std::size_t i = 0; i < reads.size(); ++i)
        all_right &= reads[i]->ended_with(blk_status::ok) && reads[i]->memory.read() == load.writes[i].data;
    CHECK(all_right);
}

void check_round_trips(const stack_options& options) {
    for (const std::uint32_t unit_bytes : {512U, 1024U, 4096U, 16384U, 65536U}) {
        CAPTURE(unit_bytes);
        fallback_stack stack(options);
        const test_key key = stack.make_key(unit_bytes);
        const workload load(stack, key, std::max(std::size_t{3}, std::size_t{150'000} / unit_bytes));
        check_writes(stack, load);
        check_reads(stack, load);
        CHECK(stack.device.encrypted_requests() == 0);
    }
}

} // namespace

TEST_CASE("ciphertext is the reference's and comes back as plaintext, with memory in plenty") {
    check_round_trips({});
    check_round_trips({.order = completion_order::shuffled});
}

TEST_CASE("ciphertext does not depend on the size of bounce memory or the depth of the queue") {
    for (const std::uint64_t bounce_bytes : {0U, 65536U, 69632U, 1U << 20})
        for (const unsigned depth : {1U, 3U, 64U}) {
            CAPTURE(bounce_bytes);
            CAPTURE(depth);
            check_round_trips({.order = completion_order::shuffled,
                               .fallback = {.kernel = {.bounce_reserve_pages = 16}},
                               .queue = {.depth = depth, .bounce_bytes = bounce_bytes}});
        }
}

TEST_CASE("ciphertext does not depend on the number of keyslots or on who decrypts") {
    for (const unsigned workers : {0U, 1U, 3U})
        check_round_trips({.keyslots = 1,
                           .order = completion_order::shuffled,
                           .fallback = {.decrypt_workers = workers},
                           .decrypt_delay_max_ns = 100'000});
}

TEST_CASE("the same data in other segments leaves the same bytes") {
    fallback_stack stack;
    const test_key key = stack.make_key(512);
    const auto data = random_bytes(64 * 512, stack.random.next());
    std::vector<std::byte> first_time;
    for (int round = 0; round < 10; ++round) {
        auto io = stack.make_io(bio_op::write, 100, data.size(), key);
        io->memory.write(data);
        REQUIRE(stack.run(*io));
        const auto stored = stack.on_device(*io, data.size());
        if (round == 0)
            first_time = stored;
        CHECK(stored == first_time);
    }
}

TEST_CASE("a bio split before it is submitted leaves the same bytes") {
    fallback_stack stack;
    const test_key key = stack.make_key(1024);
    const dun first(UINT64_MAX - 2);
    auto whole = stack.make_write(8, 16 * 1024, key, first);
    const auto expected = expected_ciphertext(*whole, key, first);
    bio front;
    bio_chain chain;
    bio rest;
    rest.clone_from(whole->request, chain);
    REQUIRE_FALSE(rest.split(5 * 1024, front, chain));
    chain.begin(whole->request, 2);
    stack.queue->submit(rest);
    stack.queue->submit(front);
    REQUIRE(stack.drain());
    CHECK(whole->ended_with(blk_status::ok));
    CHECK(stack.on_device(8, 16 * 1024) == expected);
}

TEST_CASE("plain bios pass through beside encrypted ones") {
    fallback_stack stack({.order = completion_order::shuffled});
    const test_key key = stack.make_key();
    auto plain = stack.make_io(bio_op::write, 0, 8192);
    plain->memory.write(random_bytes(8192, stack.random.next()));
    auto encrypted = stack.make_write(16, 8192, key);
    auto flush = stack.make_io(bio_op::flush, 0, 0);
    for (auto* io : {plain.get(), encrypted.get(), flush.get()})
        stack.queue->submit(io->request);
    CHECK(stack.queue->in_flight() == 3);
    REQUIRE(stack.drain());
    CHECK(stack.on_device(0, 8192) == plain->memory.read());
    CHECK(stack.on_device(16, 8192) == expected_ciphertext(*encrypted, key));
    CHECK(flush->ended_with(blk_status::ok));

    auto ciphertext = stack.make_io(bio_op::read, 16, 8192);
    REQUIRE(stack.run(*ciphertext));
    CHECK(ciphertext->memory.read() == expected_ciphertext(*encrypted, key));
}

TEST_CASE("one keyslot serves many keys at once") {
    for (const unsigned workers : {0U, 2U}) {
        fallback_stack stack({.keyslots = 1,
                              .order = completion_order::shuffled,
                              .fallback = {.decrypt_workers = workers},
                              .decrypt_delay_max_ns = 5000});
        std::vector<test_key> keys;
        std::vector<std::unique_ptr<test_io>> writes, reads;
        for (std::uint64_t i = 0; i < 50; ++i)
            keys.push_back(stack.make_key());
        for (std::uint64_t i = 0; i < 50; ++i) {
            writes.push_back(stack.make_write(i * 32, 8192, keys[i]));
            stack.queue->submit(writes.back()->request);
        }
        REQUIRE(stack.drain());
        for (std::uint64_t i = 0; i < 50; ++i) {
            CHECK(stack.on_device(i * 32, 8192) == expected_ciphertext(*writes[i], keys[i]));
            reads.push_back(stack.make_io(bio_op::read, i * 32, 8192, keys[i]));
            stack.queue->submit(reads.back()->request);
        }
        REQUIRE(stack.drain());
        for (std::size_t i = 0; i < 50; ++i)
            CHECK(reads[i]->memory.read() == writes[i]->memory.read());
        CHECK(stack.queue->keyslot_use().evictions != 0);
        CHECK((stack.queue->keyslot_use().waits != 0) == (workers != 0));
    }
}

TEST_CASE("a merged request leaves the ciphertext of its parts" * PROPERTY(11)) {
    fallback_stack parts, merged;
    const test_key key = parts.make_key();
    REQUIRE_FALSE(start_using_key(merged.env, merged.device, merged.fallback.get(), *key.key));
    std::vector<std::unique_ptr<test_io>> ios;
    std::uint64_t start = 24;
    dun at(uint256(UINT64_MAX - 2, 7, 0, 0));
    for (const std::size_t units : {2U, 1U, 3U, 1U}) {
        ios.push_back(parts.make_write(start, units * 4096, key, at));
        start += units * 8;
        at += units;
    }
    request run;
    run.begin(ios[1]->request);
    for (const std::size_t other : {0U, 2U, 3U})
        REQUIRE(run.try_merge(ios[other]->request, UINT32_MAX));
    auto whole = merged.make_io(bio_op::write, 0, 0);
    whole->request.clone_from(run.whole(), *whole);
    REQUIRE(merged.run(*whole));
    CHECK(whole->ended_with(blk_status::ok));
    run.take_parts(0, [](bio&, bool) {});
    for (const auto& io : ios)
        REQUIRE(parts.run(*io));
    CHECK(merged.on_device(24, 7 * 4096) == parts.on_device(24, 7 * 4096));
}

TEST_CASE("a write never modifies its source, not even memory that cannot be written to" * PROPERTY(36)) {
    constexpr std::size_t size = 16 * 4096;
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    auto* const data = static_cast<std::byte*>(memory);
    for (const std::uint64_t bounce_bytes : {8192U, 1U << 20})
        for (const std::uint32_t unit_bytes : {512U, 4096U, 16384U}) {
            fallback_stack stack({.queue = {.depth = 4, .bounce_bytes = bounce_bytes}});
            const test_key key = stack.make_key(unit_bytes);
            REQUIRE(mprotect(memory, size, PROT_READ | PROT_WRITE) == 0);
            stack.random.fill({data, size});
            const std::vector<std::byte> before(data, data + size);
            REQUIRE(mprotect(memory, size, PROT_READ) == 0);
            const std::array<bio_vec, 2> segments{{{data, size / 2}, {data + size / 2, size / 2}}};
            auto io = stack.make_io(bio_op::write, 0, 0);
            io->request.prepare(bio_op::write, sector{8}, segments, *io);
            io->request.set_crypt_ctx(*key.key, dun(9));
            REQUIRE(stack.run(*io));
            CHECK(io->ended_with(blk_status::ok));
            CHECK(stack.on_device(8, size) ==
                  reference_ciphertext(key.bytes, dun(9), unit_of(unit_bytes), before));
        }
    munmap(memory, size);
}

TEST_CASE("encrypted bios cover the sectors of their source in order, in whole data units, and no others" *
          PROPERTY(38)) {
    for (const std::uint32_t unit_bytes : {512U, 4096U, 16384U}) {
        fallback_stack stack({.fallback = {.kernel = {.bounce_reserve_pages = 4}},
                              .queue = {.depth = 2, .io_size_bytes = 4096, .bounce_bytes = 8192}});
        const test_key key = stack.make_key(unit_bytes);
        const std::size_t size = std::max<std::size_t>(7 * unit_bytes, 28672);
        auto io = stack.make_write(100, size, key);
        REQUIRE(stack.run(*io));
        std::uint64_t next = 100;
        for (const device_request& request : stack.device.requests()) {
            CHECK(request.op == bio_op::write);
            CHECK(request.start.value == next);
            CHECK(request.size_bytes % unit_bytes == 0);
            next += request.size_bytes >> sector_bits;
        }
        CHECK(next == 100 + (size >> sector_bits));
        CHECK(stack.device.requests().size() > 1);
    }
}

TEST_CASE("nothing below the fallback ever sees a crypto context" * PROPERTY(44)) {
    for (const unsigned workers : {0U, 1U}) {
        fallback_stack stack({.keyslots = 2,
                              .order = completion_order::shuffled,
                              .fallback = {.decrypt_workers = workers},
                              .queue = {.depth = 4, .io_size_bytes = 4096, .bounce_bytes = 16384}});
        const test_key keys[] = {stack.make_key(), stack.make_key(512), stack.make_key(16384)};
        std::vector<std::unique_ptr<test_io>> ios;
        for (std::uint64_t i = 0; i < 30; ++i) {
            const test_key& key = keys[i % 3];
            const auto op = i % 2 == 0 ? bio_op::write : bio_op::read;
            ios.push_back(stack.make_io(op, i * 128, 32768, key));
            if (i % 6 == 4)
                ios.back()->request.prepare_range(bio_op::write_zeroes, sector{i * 128}, 32768, *ios.back());
            if (i % 6 == 4)
                ios.back()->request.set_crypt_ctx(*key.key, dun(i));
            stack.queue->submit(ios.back()->request);
        }
        REQUIRE(stack.drain());
        CHECK(std::ranges::all_of(ios, [](const auto& io) { return io->ended_with(blk_status::ok); }));
        CHECK(stack.device.requests().size() > ios.size());
        CHECK(stack.device.encrypted_requests() == 0);
    }
}

TEST_CASE("decryption covers exactly what was submitted, however the bio was moved on below" * PROPERTY(43)) {
    for (const unsigned workers : {0U, 1U}) {
        fallback_stack stack({.order = completion_order::shuffled, .fallback = {.decrypt_workers = workers}});
        const test_key key = stack.make_key();
        auto write = stack.make_write(8, 9 * 4096, key);
        REQUIRE(stack.run(*write));
        stack.device.set_uses_up_bios(true);
        // The middle of a bio that has been advanced: what is before and after it in memory stays.
        auto read = stack.make_io(bio_op::read, 8, 9 * 4096, key);
        const auto before = random_bytes(9 * 4096, stack.random.next());
        read->memory.write(before);
        read->request.advance(2 * 4096);
        read->request.iter.size_bytes -= 3 * 4096;
        REQUIRE(stack.run(*read));
        CHECK(read->ended_with(blk_status::ok));
        const auto after = read->memory.read(), written = write->memory.read();
        CHECK(std::equal(before.begin(), before.begin() + 2 * 4096, after.begin()));
        CHECK(std::equal(written.begin() + 2 * 4096, written.begin() + 6 * 4096, after.begin() + 2 * 4096));
        CHECK(std::equal(before.begin() + 6 * 4096, before.end(), after.begin() + 6 * 4096));
    }
}

TEST_CASE("zeroes under a context are ciphertext of zeros, another for each data unit") {
    for (const std::uint32_t unit_bytes : {512U, 4096U, 16384U})
        for (const std::uint64_t bounce_bytes : {16384U, 1U << 20}) {
            fallback_stack stack({.queue = {.depth = 2, .bounce_bytes = bounce_bytes}});
            const test_key key = stack.make_key(unit_bytes);
            const std::uint32_t size = 20 * unit_bytes;
            auto zeroes = stack.make_io(bio_op::write_zeroes, 0, 0);
            zeroes->request.prepare_range(bio_op::write_zeroes, sector{64}, size, *zeroes);
            zeroes->request.set_crypt_ctx(*key.key, dun(UINT64_MAX - 3));
            REQUIRE(stack.run(*zeroes));
            CHECK(zeroes->ended_with(blk_status::ok));
            const std::vector<std::byte> plain(size);
            CHECK(stack.on_device(64, size) ==
                  reference_ciphertext(key.bytes, dun(UINT64_MAX - 3), unit_of(unit_bytes), plain));
            auto read = stack.make_io(bio_op::read, 64, size, key, dun(UINT64_MAX - 3));
            REQUIRE(stack.run(*read));
            CHECK(read->memory.read() == plain);
        }
}

TEST_CASE("each encrypted bio of a write has its fua and its preflush") {
    fallback_stack stack({.queue = {.depth = 8, .io_size_bytes = 4096, .bounce_bytes = 4096}});
    const test_key key = stack.make_key();
    for (const bool has_fua : {false, true})
        for (const bool has_preflush : {false, true}) {
            const std::size_t before = stack.device.requests().size();
            auto write = stack.make_write(0, 4 * 4096, key);
            write->request.fua = has_fua;
            write->request.preflush = has_preflush;
            REQUIRE(stack.run(*write));
            REQUIRE(stack.device.requests().size() > before + 1);
            for (std::size_t i = before; i < stack.device.requests().size(); ++i) {
                CHECK(stack.device.requests()[i].fua == has_fua);
                CHECK(stack.device.requests()[i].preflush == has_preflush);
            }
        }
}
