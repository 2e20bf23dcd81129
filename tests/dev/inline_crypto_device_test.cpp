// SPDX-License-Identifier: Apache-2.0
// The engine in front of a memory device whose bytes the test can see, beside the fallback on another one.
#include "blkcrypto/dev/inline_crypto_device.hpp"

#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/inline_crypt/crypto_profile.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/dev/test_io.hpp"
#include "tests/reference_crypto/reference_crypto.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"
#include "tests/support/ticking_env.hpp"

#include <algorithm>
#include <deque>
#include <doctest/doctest.h>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::size_t disk_bytes = 4 << 20;
constexpr std::uint32_t unit_bytes = 4096;

crypto_config xts_config(std::uint8_t dun_bytes = 8) {
    return {crypto_mode::aes_256_xts, *data_unit_size::make(unit_bytes), dun_bytes};
}

engine_profile engine_with(unsigned keyslots) {
    engine_profile profile = *find_engine_profile("ufs-std");
    profile.keyslots = keyslots;
    return profile;
}

// An engine on a worker thread in front of memory.
struct inline_disk {
    explicit inline_disk(const engine_profile& profile, env& e)
        : storage(disk_bytes), memory(make_memory_device(storage)), pool(*worker_pool::make(1, "engine")),
          device(*make_inline_crypto_device(*memory, profile, e, {*pool, 1})) {}

    std::vector<std::byte> storage;
    std::unique_ptr<block_device> memory;
    std::unique_ptr<worker_pool> pool;
    std::unique_ptr<block_device> device;
};

std::vector<std::unique_ptr<crypto_key>> some_keys(unsigned count) {
    std::vector<std::unique_ptr<crypto_key>> keys;
    for (unsigned i = 0; i < count; ++i)
        keys.push_back(*crypto_key::make(random_bytes(64, test_seed() + i), xts_config()));
    return keys;
}

// A write of random data somewhere, in segments of whole units, under one of the keys.
struct random_write {
    random_write(random_source& random, const std::vector<std::unique_ptr<crypto_key>>& keys) {
        const std::uint64_t disk_units = disk_bytes / unit_bytes;
        const std::uint64_t first = random.below(disk_units - 16);
        const std::uint64_t units = 1 + random.below(16);
        data = random_bytes(units * unit_bytes, random.next());
        std::vector<bio_vec> segments;
        for (std::uint64_t at = 0; at < units;) {
            const std::uint64_t length = 1 + random.below(units - at);
            segments.push_back(segment_of(bytes_span(data).subspan(at * unit_bytes, length * unit_bytes)));
            at += length;
        }
        key = keys[random.below(keys.size())].get();
        io.segments = std::move(segments);
        io.what.prepare(bio_op::write, to_sectors_exact({first * unit_bytes}), io.segments, io);
        io.what.set_crypt_ctx(*key, dun(first));
    }

    std::vector<std::byte> data;
    const crypto_key* key;
    test_io io;
};

} // namespace

TEST_CASE("inline and fallback leave the same bytes, and read back what was written") {
    auto e = *thread_env::make();
    const auto keys = some_keys(7);
    inline_disk engine(engine_with(3), *e);
    std::vector<std::byte> other_storage(disk_bytes);
    auto other = make_memory_device(other_storage);
    auto fallback = *crypto_fallback::make(*e, *make_keyslot_tfms(*e, 2, 1), {});
    for (const auto& key : keys)
        REQUIRE_FALSE(start_using_key(*e, *other, fallback.get(), *key));
    const queue_options options{8, 32 << 10, 128 << 10};
    auto through_engine = *submit_queue::make(*engine.device, nullptr, *e, options);
    auto through_fallback = *submit_queue::make(*other, fallback.get(), *e, options);

    random_source random(test_seed());
    for (int i = 0; i < 300; ++i) {
        random_write write(random, keys);
        for (auto* queue : {through_engine.get(), through_fallback.get()}) {
            queue->submit(write.io.what);
            while (queue->in_flight() != 0)
                queue->wait();
            REQUIRE(write.io.what.status == blk_status::ok);
        }
        auto back = std::vector<std::byte>(write.data.size());
        test_io read(bio_op::read, write.io.what.iter.start, {segment_of(back)});
        read.what.set_crypt_ctx(*write.key, write.io.what.crypt.first_dun);
        through_engine->submit(read.what);
        while (through_engine->in_flight() != 0)
            through_engine->wait();
        REQUIRE(read.what.status == blk_status::ok);
        REQUIRE(back == write.data);
    }
    CHECK(engine.storage == other_storage);
    CHECK(std::ranges::any_of(other_storage, [](std::byte b) { return b != std::byte{0}; }));
}

TEST_CASE("the engine's ciphertext is what another library makes") {
    auto e = *thread_env::make();
    inline_disk engine(engine_with(1), *e);
    const auto bytes = random_bytes(64, test_seed());
    const auto key = *crypto_key::make(bytes, xts_config());
    auto queue = *engine.device->make_queue(*e, {});
    auto data = random_bytes(unit_bytes, test_seed() + 1);
    test_io write(bio_op::write, {8}, {segment_of(data)});
    write.what.set_crypt_ctx(*key, dun(uint256(UINT64_MAX, 5, 0, 0)));
    CHECK(run(*queue, write) == blk_status::ok);

    const auto as_numbers = [](auto& from) {
        return std::span(reinterpret_cast<std::uint8_t*>(from.data()), from.size());
    };
    std::array<std::uint8_t, 32> iv{};
    std::fill_n(iv.begin(), 8, std::uint8_t{0xff});
    iv[8] = 5;
    auto key_copy = bytes;
    REQUIRE(reference_crypto::encrypt_unit("aes-256-xts", as_numbers(key_copy), iv, as_numbers(data)));
    CHECK(std::equal(data.begin(), data.end(), engine.storage.begin() + 8 * 512));
}

TEST_CASE("bios without a context pass through an engine unchanged") {
    auto e = *thread_env::make();
    inline_disk engine(engine_with(1), *e);
    auto queue = *engine.device->make_queue(*e, {});
    auto data = random_bytes(8192, test_seed());
    CHECK(run(*queue, bio_op::write, {0}, {segment_of(data)}) == blk_status::ok);
    CHECK(std::equal(data.begin(), data.end(), engine.storage.begin()));
    CHECK(run(*queue, bio_op::flush, {0}, {}) == blk_status::ok);
    CHECK(queue->keyslot_use().misses == 0);
}

TEST_CASE("many keys share one slot and every bio ends") {
    auto e = *thread_env::make();
    const auto keys = some_keys(9);
    inline_disk engine(engine_with(1), *e);
    auto queue = *engine.device->make_queue(
        *e, {.depth = 4, .io_size_bytes = 4096, .bounce_bytes = 1 << 20, .nomerges = true});
    random_source random(test_seed());
    std::deque<random_write> writes;
    for (int i = 0; i < 60; ++i)
        writes.emplace_back(random, keys);
    for (auto& write : writes)
        queue->submit(write.io.what);
    CHECK(queue->in_flight() == 60);
    wait_for_all(*queue);
    for (auto& write : writes) {
        CHECK(write.io.ended == 1);
        CHECK(write.io.what.status == blk_status::ok);
    }
    const keyslot_counters use = queue->keyslot_use();
    CHECK(use.hits + use.misses == 60);
    CHECK(use.evictions == use.misses - 1);
    CHECK(use.waits > 0);
}

TEST_CASE("an engine that cannot take the key's DUNs refuses the bio, the fallback takes it") {
    auto e = *thread_env::make();
    engine_profile emmc = *find_engine_profile("emmc-cqhci");
    inline_disk engine(emmc, *e);
    const auto key = *crypto_key::make(random_bytes(64, test_seed()), xts_config(5));
    auto data = random_bytes(unit_bytes, test_seed());
    {
        auto queue = *engine.device->make_queue(*e, {});
        test_io write(bio_op::write, {0}, {segment_of(data)});
        write.what.set_crypt_ctx(*key, dun(0));
        CHECK(run(*queue, write) == blk_status::notsupp);
    }
    auto fallback = *crypto_fallback::make(*e, *make_keyslot_tfms(*e, 1, 1), {});
    REQUIRE_FALSE(start_using_key(*e, *engine.device, fallback.get(), *key));
    auto queue = *submit_queue::make(*engine.device, fallback.get(), *e, {});
    test_io write(bio_op::write, {0}, {segment_of(data)});
    write.what.set_crypt_ctx(*key, dun(0));
    queue->submit(write.what);
    while (queue->in_flight() != 0)
        queue->wait();
    CHECK(write.what.status == blk_status::ok);
    CHECK(queue->keyslot_use().misses == 1);
    CHECK_FALSE(std::equal(data.begin(), data.end(), engine.storage.begin()));
}

TEST_CASE("a key with equal halves fails the bio and leaves the engine usable") {
    auto e = *thread_env::make();
    inline_disk engine(engine_with(1), *e);
    auto queue = *engine.device->make_queue(*e, {});
    const auto weak = *crypto_key::make(std::vector<std::byte>(64, std::byte{7}), xts_config());
    const auto good = some_keys(1);
    auto data = random_bytes(unit_bytes, test_seed());
    const auto write_with = [&](const crypto_key& key) {
        test_io write(bio_op::write, {0}, {segment_of(data)});
        write.what.set_crypt_ctx(key, dun(0));
        return run(*queue, write);
    };
    CHECK(write_with(*good[0]) == blk_status::ok);
    CHECK(write_with(*weak) == blk_status::inval);
    CHECK(write_with(*good[0]) == blk_status::ok);
    CHECK(queue->keyslot_use().misses == 3);
}

TEST_CASE("a write larger than the engine's memory goes piece by piece") {
    auto e = *thread_env::make();
    inline_disk engine(engine_with(2), *e);
    const auto keys = some_keys(1);
    auto queue = *engine.device->make_queue(*e, {1, 4096, 4096}); // the least: one unit of the largest size
    auto data = random_bytes(1 << 20, test_seed());
    test_io write(bio_op::write, {0}, {segment_of(data)});
    write.what.set_crypt_ctx(*keys[0], dun(0));
    CHECK(run(*queue, write) == blk_status::ok);
    std::vector<std::byte> back(data.size());
    test_io read(bio_op::read, {0}, {segment_of(back)});
    read.what.set_crypt_ctx(*keys[0], dun(0));
    CHECK(run(*queue, read) == blk_status::ok);
    CHECK(back == data);
}

TEST_CASE("after evict no piece of the key is in the engine's memory") {
    auto e = *thread_env::make();
    inline_disk engine(engine_with(2), *e);
    auto queue = *engine.device->make_queue(*e, {});
    auto bytes = random_bytes(64, test_seed() ^ 0x5eed);
    const auto pieces = masked_pieces(bytes);
    auto key = *crypto_key::make(bytes, xts_config());
    zeroize(bytes);
    std::vector<std::byte> data(unit_bytes);
    for (const bio_op op : {bio_op::write, bio_op::read}) {
        test_io io(op, {0}, {segment_of(data)});
        io.what.set_crypt_ctx(*key, dun(0));
        REQUIRE(run(*queue, io) == blk_status::ok);
    }
    CHECK(count_in_memory(pieces) > 0);
    CHECK_FALSE(evict_key(*e, *engine.device, nullptr, *key));
    key.reset();
    CHECK(count_in_memory(pieces) == 0);
}

TEST_CASE("the engine's I/O path allocates nothing") {
    if (!allocation_counter::available())
        return;
    auto e = *thread_env::make();
    const auto keys = some_keys(5);
    inline_disk engine(engine_with(2), *e);
    auto queue = *engine.device->make_queue(*e, {4, 16 << 10, 64 << 10});
    random_source random(test_seed());
    std::deque<random_write> writes;
    for (int i = 0; i < 40; ++i)
        writes.emplace_back(random, keys);
    const allocation_counter counter;
    for (const bio_op op : {bio_op::write, bio_op::read}) {
        for (auto& write : writes) {
            write.io.what.op = op;
            queue->submit(write.io.what);
        }
        wait_for_all(*queue);
    }
    CHECK(counter.count() == 0);
}

TEST_CASE("two queues on two threads share one slot of an engine") {
    auto e = *thread_env::make();
    inline_disk engine(engine_with(1), *e);
    const auto keys = some_keys(4);
    const auto hammer = [&](std::uint64_t seed) {
        auto mine = *thread_env::make();
        auto queue = *engine.device->make_queue(*mine, {4, 16 << 10, 64 << 10});
        random_source random(seed);
        unsigned failed = 0;
        for (int round = 0; round < 20; ++round) {
            std::deque<random_write> writes;
            for (int i = 0; i < 8; ++i) {
                writes.emplace_back(random, keys);
                queue->submit(writes.back().io.what);
            }
            wait_for_all(*queue);
            for (auto& write : writes)
                failed += write.io.ended != 1 || write.io.what.status != blk_status::ok;
        }
        return failed;
    };
    unsigned failed_beside = 0;
    std::thread beside([&] { failed_beside = hammer(test_seed() + 1); });
    CHECK(hammer(test_seed() + 2) == 0);
    beside.join();
    CHECK(failed_beside == 0);
}

TEST_CASE("under a virtual clock a bio takes what the profile says") {
    simulated_env e(test_seed());
    simulated_executor engine_thread(e, test_seed());
    std::vector<std::byte> storage(disk_bytes);
    auto memory = make_memory_device(storage);
    engine_profile profile = engine_with(1);
    profile.costs.program_ns = 10'000;
    profile.costs.bandwidth_bytes_per_s = 1'000'000'000;
    auto device = *make_inline_crypto_device(*memory, profile, e, {engine_thread, 1});
    auto queue = *device->make_queue(e, {});
    const auto keys = some_keys(1);
    std::vector<std::byte> data(unit_bytes);
    const auto time_of = [&](bio_op op) {
        const std::uint64_t before = e.now_ns();
        test_io io(op, {0}, {segment_of(data)});
        io.what.set_crypt_ctx(*keys[0], dun(0));
        REQUIRE(run(*queue, io) == blk_status::ok);
        return e.now_ns() - before;
    };
    CHECK(time_of(bio_op::write) == 10'000 + unit_bytes);
    CHECK(time_of(bio_op::write) == unit_bytes);
    CHECK(time_of(bio_op::read) == unit_bytes);
}

TEST_CASE("the parts of an inline bio's time sum to the whole") {
    simulated_env e(test_seed());
    simulated_executor engine_thread(e, test_seed(), 5'000);
    std::vector<std::byte> storage(disk_bytes);
    auto memory = make_memory_device(storage);
    auto device = *make_inline_crypto_device(*memory, engine_with(1), e, {engine_thread, 1});
    auto queue = *device->make_queue(e, {});
    const auto keys = some_keys(1);
    std::vector<std::byte> data(unit_bytes);
    test_io io(bio_op::write, {0}, {segment_of(data)});
    io.what.set_crypt_ctx(*keys[0], dun(0));
    bio_stamps stamps;
    stamps.begin(e.now_ns());
    io.what.stamps = &stamps;
    const std::uint64_t before = e.now_ns();
    REQUIRE(run(*queue, io) == blk_status::ok);
    std::uint64_t sum = 0;
    for (const std::uint64_t part : stamps.spent_ns)
        sum += part;
    CHECK(stamps.stage == bio_stage::done);
    CHECK(sum == stamps.entered_ns - before);
    CHECK(stamps.spent_ns[static_cast<std::size_t>(bio_stage::cipher)] > 0);
}

TEST_CASE("setting a key up has time of its own, in a keyslot and with a command") {
    for (const unsigned slots : {1U, 0U}) {
        CAPTURE(slots);
        simulated_env e(test_seed());
        ticking_env ticking(e);
        simulated_executor engine_thread(e, test_seed(), 5'000);
        std::vector<std::byte> storage(disk_bytes);
        auto memory = make_memory_device(storage);
        auto device = *make_inline_crypto_device(*memory, engine_with(slots), e, {engine_thread, 1});
        auto queue = *device->make_queue(ticking, {});
        const auto keys = some_keys(1);
        std::vector<std::byte> data(unit_bytes);
        test_io io(bio_op::write, {0}, {segment_of(data)});
        io.what.set_crypt_ctx(*keys[0], dun(0));
        bio_stamps stamps;
        stamps.begin(ticking.now_ns());
        io.what.stamps = &stamps;
        REQUIRE(run(*queue, io) == blk_status::ok);
        for (const bio_stage stage : {bio_stage::derive, bio_stage::setkey, bio_stage::cipher})
            CHECK(stamps.spent_ns[static_cast<std::size_t>(stage)] > 0);
    }
}

TEST_CASE("an engine without workers or an implemented mode, or with too many slots, is not made") {
    auto e = *thread_env::make();
    std::vector<std::byte> storage(disk_bytes);
    auto memory = make_memory_device(storage);
    auto pool = *worker_pool::make(1, "engine");
    engine_profile profile = engine_with(1);
    CHECK(make_inline_crypto_device(*memory, profile, *e, {*pool, 0}).error() == std::errc::invalid_argument);
    CHECK(make_inline_crypto_device(*memory, engine_with(crypto_profile::slots_max + 1), *e, {*pool, 1})
              .error() == std::errc::invalid_argument);
    profile.capabilities.unit_sizes = {};
    CHECK(make_inline_crypto_device(*memory, profile, *e, {*pool, 1}).error().value() == ENOPKG);
}
