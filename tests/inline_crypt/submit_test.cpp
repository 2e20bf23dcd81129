// SPDX-License-Identifier: Apache-2.0
// The door: which way a bio goes, what callers are promised about submit(), poll() and wait(), and keys.
#include "tests/inline_crypt/fallback_stack.hpp"
#include "tests/inline_crypt/profile_asker.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/logged_lines.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/property.hpp"
#include "tests/support/ticking_env.hpp"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <numeric>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

struct counting_ops final : crypto_ll_ops {
    std::error_code keyslot_program(const key_request&, keyslot_index, acquire_context&) noexcept override {
        ++programs;
        return {};
    }
    std::error_code keyslot_evict(env&, const key_request*, keyslot_index) noexcept override {
        ++evictions;
        return {};
    }
    int programs = 0;
    int evictions = 0;
};

crypto_capabilities xts_4096_only() {
    crypto_capabilities native;
    native.unit_sizes[mode_index(crypto_mode::aes_256_xts)] = 4096;
    native.dun_bytes_max = 16;
    return native;
}

std::uint64_t sum(const bio_stamps& stamps) {
    return std::accumulate(stamps.spent_ns.begin(), stamps.spent_ns.end(), std::uint64_t{0});
}

bool has(const bio_stamps& stamps, std::initializer_list<bio_stage> stages) {
    return std::ranges::all_of(
        stages, [&](bio_stage s) { return stamps.spent_ns[static_cast<std::size_t>(s)] != 0; });
}

// A key that no other case has used and left in memory.
test_key make_fresh_key(fallback_stack& stack, std::uint64_t stream) {
    random_source random(test_seed() + 1000 + stream);
    test_key made(random);
    REQUIRE_FALSE(start_using_key(stack.env, stack.device, stack.fallback.get(), *made.key));
    return made;
}

} // namespace

// --- which way ---

TEST_CASE("a device that encrypts natively gets the bio as it is, the fallback all others") {
    fallback_stack stack;
    counting_ops ops;
    auto profile = *crypto_profile::make(stack.env, xts_4096_only(), 2, ops);
    stack.device.claim_native(xts_4096_only(), profile.get());
    const auto queue = stack.make_queue({});
    const test_key native = stack.make_key(4096);
    CHECK_FALSE(stack.fallback->tfms().is_started(native.key->config())); // nothing to start
    const test_key not_native = stack.make_key(512);
    CHECK(config_supported_natively(stack.device, native.key->config()));
    CHECK_FALSE(config_supported_natively(stack.device, not_native.key->config()));
    CHECK(config_supported(stack.device, nullptr, native.key->config()));
    CHECK_FALSE(config_supported(stack.device, nullptr, not_native.key->config()));
    CHECK(config_supported(stack.device, stack.fallback.get(), not_native.key->config()));

    auto straight = stack.make_write(0, 8192, native);
    auto encrypted = stack.make_write(64, 8192, not_native);
    REQUIRE(stack.run(*straight, *queue));
    REQUIRE(stack.run(*encrypted, *queue));
    CHECK(stack.device.encrypted_requests() == 1);
    CHECK(stack.on_device(0, 8192) == straight->memory.read()); // the device only claims that it encrypts
    CHECK(stack.on_device(64, 8192) == expected_ciphertext(*encrypted, not_native));
}

TEST_CASE("evicting a key goes to whoever has it") {
    fallback_stack stack;
    counting_ops ops;
    auto profile = *crypto_profile::make(stack.env, xts_4096_only(), 2, ops);
    stack.device.claim_native(xts_4096_only(), profile.get());
    const test_key key = stack.make_key(4096);
    profile_asker asker(stack.env);
    const keyslot_grant grant = profile->get_keyslot(*key.key, asker);
    CHECK(evict_key(stack.env, stack.device, stack.fallback.get(), *key.key) == make_error(EBUSY));
    CHECK(logged_lines("simulated: error 16 evicting key") == 1);
    profile->put_keyslot(stack.env, grant.slot);
    CHECK(ops.evictions == 1);
    CHECK_FALSE(evict_key(stack.env, stack.device, nullptr, *key.key));
}

TEST_CASE("an error of evicting a key is said even if there is no memory to say it with") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    struct failing_ops final : crypto_ll_ops {
        std::error_code keyslot_program(const key_request&, keyslot_index,
                                        acquire_context&) noexcept override {
            return {};
        }
        std::error_code keyslot_evict(env&, const key_request*, keyslot_index) noexcept override {
            return make_error(EIO);
        }
    };
    fallback_stack stack;
    failing_ops ops;
    auto profile = *crypto_profile::make(stack.env, xts_4096_only(), 0, ops);
    stack.device.claim_native(xts_4096_only(), profile.get());
    const test_key key = stack.make_key(4096);
    for (std::uint64_t failing = 0; failing < 4; ++failing) {
        const allocation_fault fault(failing);
        CHECK(evict_key(stack.env, stack.device, nullptr, *key.key) == make_error(EIO));
    }
}

TEST_CASE("without native encryption and without fallback a bio ends with notsupp" * PROPERTY(15)) {
    fallback_stack stack;
    const auto queue = *submit_queue::make(stack.device, nullptr, stack.env, {});
    const test_key key(stack.random);
    for (int i = 0; i < 2; ++i)
        CHECK(start_using_key(stack.env, stack.device, nullptr, *key.key) == make_error(ENOPKG));
    CHECK(logged_lines("crypto API fallback is disabled") == 1);
    for (int i = 0; i < 2; ++i) {
        auto io = stack.make_write(0, 8192, key);
        queue->submit(io->request);
        CHECK(io->ends == 0);
        CHECK(queue->in_flight() == 1);
        CHECK(queue->wait() == 1);
        CHECK(io->ended_with(blk_status::notsupp));
    }
    CHECK(queue->wait() == 0);
    CHECK(logged_lines("crypto API fallback disabled; failing request.") == 1);
    CHECK(stack.device.requests().empty());
    auto plain = stack.make_io(bio_op::write, 0, 4096);
    REQUIRE(stack.run(*plain, *queue));
    CHECK(plain->ended_with(blk_status::ok));
    CHECK_FALSE(evict_key(stack.env, stack.device, nullptr, *key.key));
}

// --- submit, poll, wait ---

TEST_CASE("submit runs no end_io, in_flight counts sources, and poll returns how many ended") {
    fallback_stack stack({.order = completion_order::shuffled,
                          .fallback = {.kernel = {.bounce_reserve_pages = 2}, .decrypt_workers = 1},
                          .queue = {.depth = 4, .io_size_bytes = 4096, .bounce_bytes = 8192},
                          .decrypt_delay_max_ns = 500});
    const test_key key = stack.make_key();
    const test_key not_started(stack.random, 512);
    std::vector<std::unique_ptr<test_io>> ios;
    for (std::uint64_t i = 0; i < 12; ++i) {
        const std::uint64_t at = i * 128;
        ios.push_back(stack.make_write(at, 5 * 4096, key));
        ios.push_back(stack.make_io(bio_op::read, at + 64, 4096, key));
        ios.push_back(stack.make_io(bio_op::write, at + 80, 4096));
        ios.push_back(stack.make_io(bio_op::read, 1 << 20, 4096, key)); // out of range
        ios.push_back(stack.make_io(bio_op::write, 1 << 20, 4096));
        ios.push_back(stack.make_io(bio_op::flush, 0, 0));
    }
    for (std::size_t i = 0; i < ios.size(); ++i) {
        stack.queue->submit(ios[i]->request);
        CHECK(stack.queue->in_flight() == i + 1);
    }
    CHECK(std::ranges::all_of(ios, [](const auto& io) { return io->ends == 0; }));
    std::size_t left = ios.size();
    for (int polls = 0; polls < 10'000 && left != 0; ++polls) {
        left -= stack.queue->poll();
        const auto not_ended = std::ranges::count_if(ios, [](const auto& io) { return io->ends == 0; });
        REQUIRE(static_cast<std::size_t>(not_ended) == left);
        REQUIRE(stack.queue->in_flight() == left);
        stack.env.advance_clock(100);
    }
    CHECK(left == 0);
    CHECK(std::ranges::all_of(ios, [](const auto& io) { return io->ends == 1; }));
}

TEST_CASE("wait returns 0 when nothing is in flight and at least one bio when something is") {
    fallback_stack stack({.keyslots = 1,
                          .order = completion_order::shuffled,
                          .fallback = {.kernel = {.bounce_reserve_pages = 1}, .decrypt_workers = 1},
                          .queue = {.depth = 4, .bounce_bytes = 0},
                          .decrypt_delay_max_ns = 500});
    CHECK(stack.queue->wait() == 0);
    const test_key key = stack.make_key();
    std::vector<std::unique_ptr<test_io>> ios;
    for (std::uint64_t i = 0; i < 20; ++i) {
        ios.push_back(stack.make_write(i * 64, 3 * 4096, key));
        ios.push_back(stack.make_io(bio_op::read, 4096 + i * 64, 8192, key));
    }
    for (auto& io : ios)
        stack.queue->submit(io->request);
    std::size_t ended = 0;
    while (stack.queue->in_flight() != 0) {
        const unsigned count = stack.queue->wait();
        REQUIRE(count != 0);
        ended += count;
    }
    CHECK(ended == ios.size());
    CHECK(stack.queue->wait() == 0);
}

TEST_CASE("preflush and fua are on every encrypted bio") {
    fallback_stack stack({.fallback = {.kernel = {.bounce_reserve_pages = 1}},
                          .queue = {.depth = 4, .io_size_bytes = 4096, .bounce_bytes = 4096}});
    const test_key key = stack.make_key();
    auto io = stack.make_write(0, 5 * 4096, key);
    io->request.preflush = true;
    io->request.fua = true;
    REQUIRE(stack.run(*io));
    const auto& requests = stack.device.requests();
    REQUIRE(requests.size() == 5);
    for (const auto& request : requests) {
        CHECK(request.preflush);
        CHECK(request.fua);
        CHECK_FALSE(request.encrypted);
    }
}

TEST_CASE("the stages of a bio add up to its whole time, and each that was passed is seen") {
    fallback_stack stack({.fallback = {.kernel = {.bounce_reserve_pages = 1}}});
    ticking_env ticking(stack.env);
    const test_key key = stack.make_key();
    const auto queue = *submit_queue::make(stack.device, stack.fallback.get(), ticking,
                                           {.depth = 4, .io_size_bytes = 4096, .bounce_bytes = 4096});
    for (const bio_op op : {bio_op::write, bio_op::read}) {
        bio_stamps stamps;
        auto io = stack.make_io(op, 0, 4 * 4096, key);
        io->request.stamps = &stamps;
        const std::uint64_t begin_ns = ticking.now_ns();
        stamps.begin(begin_ns);
        REQUIRE(stack.run(*io, *queue));
        REQUIRE(io->ended_with(blk_status::ok));
        CHECK(stamps.stage == bio_stage::done);
        CHECK(sum(stamps) == stamps.entered_ns - begin_ns);
        CHECK(stamps.entered_ns < ticking.now_ns());
        CHECK(
            has(stamps, {bio_stage::queued, bio_stage::tfm_lookup, bio_stage::cipher, bio_stage::storage}) ==
            (op == bio_op::read || has(stamps, {bio_stage::bounce_wait})));
        CHECK_FALSE(has(stamps, {bio_stage::tfm_wait})); // nobody else has the slot
        const bool is_first_use = op == bio_op::write;
        CHECK(has(stamps, {bio_stage::derive, bio_stage::setkey}) == is_first_use);
    }
}

// --- eviction ---

TEST_CASE("a key evicted while a bio is decrypted is EBUSY, the data is right and the key is gone after") {
    fallback_stack stack(
        {.keyslots = 2, .fallback = {.decrypt_workers = 1}, .decrypt_delay_max_ns = 1'000'000});
    test_key key = make_fresh_key(stack, 1);
    auto write = stack.make_write(0, 8192, key);
    REQUIRE(stack.run(*write));
    const auto pieces = masked_pieces(key.bytes);
    zeroize(key.bytes);
    auto read = stack.make_io(bio_op::read, 0, 8192, key);
    stack.queue->submit(read->request);
    while (stack.queue->keyslot_use().hits == 0)
        stack.queue->poll();
    REQUIRE(read->ends == 0);
    CHECK(evict_key(stack.env, stack.device, stack.fallback.get(), *key.key) == make_error(EBUSY));
    REQUIRE(stack.drain());
    CHECK(read->ended_with(blk_status::ok));
    CHECK(read->memory.read() == write->memory.read());
    key.key.reset();
    CHECK(count_in_memory(pieces) == 0);
}

TEST_CASE("after the last bio a key is evicted without a trace") {
    fallback_stack stack({.keyslots = 2});
    test_key key = make_fresh_key(stack, 2);
    const auto pieces = masked_pieces(key.bytes);
    zeroize(key.bytes);
    for (const bio_op op : {bio_op::write, bio_op::read}) {
        auto io = stack.make_io(op, 0, 3 * 4096, key);
        REQUIRE(stack.run(*io));
    }
    CHECK_FALSE(evict_key(stack.env, stack.device, stack.fallback.get(), *key.key));
    key.key.reset();
    CHECK(count_in_memory(pieces) == 0);
}

TEST_CASE("a fallback needs memory, and workers if it has an executor for them") {
    fallback_stack stack;
    simulated_executor executor(stack.env, 1);
    const auto make = [&](const fallback_options& options) {
        return crypto_fallback::make(stack.env, *make_keyslot_tfms(stack.env, 1, 1), options);
    };
    CHECK(make({.decrypt_executor = &executor}).error() == make_error(EINVAL));
    CHECK(make({.decrypt_workers = 1}).error() == make_error(EINVAL));
    CHECK(make({.decrypt_executor = &executor, .decrypt_workers = 1}).has_value());
}
