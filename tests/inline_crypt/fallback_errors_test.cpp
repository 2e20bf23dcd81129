// SPDX-License-Identifier: Apache-2.0
// What bios end with when something is wrong with them, with the device, or with the key.
#include "tests/inline_crypt/fallback_stack.hpp"
#include "tests/support/logged_lines.hpp"
#include "tests/support/property.hpp"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

// Small chunks: a source becomes one encrypted bio per page.
constexpr queue_options page_chunks{.depth = 8, .io_size_bytes = 4096, .bounce_bytes = 4096};

struct wrapped_key final : key_request {
    wrapped_key() : key_request({crypto_mode::aes_256_xts, unit_of(4096), 16, crypto_key_type::hw_wrapped}) {}
    std::error_code derive(secret&) const noexcept override { return make_error(EOPNOTSUPP); }
};

// Segments that are not whole units of 4096 bytes.
std::vector<std::vector<bio_vec>> cuts_of(std::vector<std::byte>& memory) {
    std::byte* const at = memory.data();
    return {{{at, 2048}, {at + 4096, 2048}},
            {{at, 4096}, {at + 4096, 512}},
            {{at, 4096}, {at + 4096, 1024}, {at + 8192, 3072}}};
}

bool is_untouched(fallback_stack& stack) {
    return stack.device.requests().empty() &&
           std::ranges::all_of(stack.device.medium(), [](std::byte b) { return b == std::byte{0}; });
}

} // namespace

// --- refused before any I/O ---

TEST_CASE("segments that cut a data unit end with inval, in 6.1 with ioerr, before any I/O" * PROPERTY(13)) {
    for (const kernel_generation& kernel : {kernel_6_1, kernel_6_12, kernel_7_0}) {
        fallback_stack stack({.queue = {.kernel = kernel}});
        const test_key key = stack.make_key(4096);
        std::vector<std::byte> memory(16384);
        for (const auto& segments : cuts_of(memory))
            for (const bio_op op : {bio_op::read, bio_op::write}) {
                test_io io(op, sector{0}, 512, 512, stack.random);
                io.request.prepare(op, sector{0}, segments, io);
                io.request.set_crypt_ctx(*key.key, dun(1));
                REQUIRE(stack.run(io));
                CHECK(io.ended_with(kernel.misaligned));
            }
        auto zeroes = stack.make_io(bio_op::write_zeroes, 0, 0);
        zeroes->request.prepare_range(bio_op::write_zeroes, sector{0}, 2048, *zeroes);
        zeroes->request.set_crypt_ctx(*key.key, dun(1));
        REQUIRE(stack.run(*zeroes));
        CHECK(zeroes->ended_with(kernel.misaligned));
        CHECK(is_untouched(stack));
    }
    CHECK(kernel_6_1.misaligned == blk_status::ioerr);
    CHECK(kernel_6_12.misaligned == blk_status::inval);
    CHECK(kernel_7_0.misaligned == blk_status::inval);
}

TEST_CASE("a misaligned read is refused before the device is asked, not after it has read" * PROPERTY(14)) {
    fallback_stack stack;
    const test_key key = stack.make_key(4096);
    auto read = stack.make_io(bio_op::read, 0, 2048);
    const auto before = random_bytes(2048, stack.random.next());
    read->memory.write(before);
    read->request.set_crypt_ctx(*key.key, dun(1));
    REQUIRE(stack.run(*read));
    CHECK(read->ended_with(blk_status::inval));
    CHECK(stack.device.requests().empty());
    CHECK(read->memory.read() == before);
}

TEST_CASE("units above a page may be cut between pages, not within one") {
    fallback_stack stack;
    const test_key key = stack.make_key(16384);
    std::vector<std::byte> memory(32768);
    test_io io(bio_op::write, sector{0}, 512, 512, stack.random);
    const std::vector<bio_vec> within_page{{memory.data(), 6144}, {memory.data() + 8192, 10240}};
    io.request.prepare(bio_op::write, sector{0}, within_page, io);
    io.request.set_crypt_ctx(*key.key, dun(1));
    REQUIRE(stack.run(io));
    CHECK(io.ended_with(blk_status::inval));
    CHECK(is_untouched(stack));

    test_io pages(bio_op::write, sector{0}, 512, 512, stack.random);
    const std::vector<bio_vec> between_pages{{memory.data(), 4096}, {memory.data() + 8192, 12288}};
    pages.request.prepare(bio_op::write, sector{0}, between_pages, pages);
    pages.request.set_crypt_ctx(*key.key, dun(1));
    REQUIRE(stack.run(pages));
    CHECK(pages.ended_with(blk_status::ok));
}

TEST_CASE("an encrypted bio past the end of the device ends with ioerr and writes nothing") {
    fallback_stack stack({.queue = page_chunks});
    const test_key key = stack.make_key();
    const std::uint64_t capacity = stack.device.capacity().value;
    for (const std::uint64_t start : {capacity - 8, capacity, capacity + 8, UINT64_MAX - 7})
        for (const bio_op op : {bio_op::read, bio_op::write}) {
            auto io = stack.make_io(op, start, 8192, key);
            REQUIRE(stack.run(*io));
            CHECK(io->ended_with(blk_status::ioerr));
        }
    CHECK(is_untouched(stack));
    auto last = stack.make_write(capacity - 16, 8192, key);
    REQUIRE(stack.run(*last));
    CHECK(last->ended_with(blk_status::ok));
}

TEST_CASE("I/O with a key that was not started ends with ioerr, said once" * PROPERTY(17)) {
    fallback_stack stack;
    const test_key key(stack.random);
    for (const bio_op op : {bio_op::read, bio_op::write}) {
        auto io = stack.make_io(op, 0, 4096, key);
        REQUIRE(stack.run(*io));
        CHECK(io->ended_with(blk_status::ioerr));
    }
    CHECK(logged_lines("start_using_key() was not called for") == 1);
    CHECK(is_untouched(stack));
}

TEST_CASE("a wrapped key is refused at the start and in I/O" * PROPERTY(46)) {
    fallback_stack stack;
    const wrapped_key key;
    CHECK_FALSE(config_supported(stack.device, stack.fallback.get(), key.config()));
    CHECK(start_using_key(stack.env, stack.device, stack.fallback.get(), key) == make_error(EOPNOTSUPP));
    CHECK(start_using_key(stack.env, stack.device, nullptr, key) == make_error(EOPNOTSUPP));
    CHECK(stack.fallback->start_using_key(stack.env, key) == make_error(EOPNOTSUPP));
    auto io = stack.make_io(bio_op::write, 0, 4096);
    io->request.set_crypt_ctx(key, dun(1));
    REQUIRE(stack.run(*io));
    CHECK(io->ended_with(blk_status::notsupp));
}

TEST_CASE("an encrypted bio without anything to encrypt ends with ioerr" * PROPERTY(12)) {
    fallback_stack stack;
    const test_key key = stack.make_key();
    for (const bio_op op : {bio_op::read, bio_op::write, bio_op::flush, bio_op::write_zeroes}) {
        auto io = stack.make_io(op, 0, 0);
        io->request.set_crypt_ctx(*key.key, dun(1));
        REQUIRE(stack.run(*io));
        CHECK(io->ended_with(blk_status::ioerr));
    }
    auto discard = stack.make_io(bio_op::discard, 0, 0);
    discard->request.prepare_range(bio_op::discard, sector{0}, 4096, *discard);
    discard->request.set_crypt_ctx(*key.key, dun(1));
    REQUIRE(stack.run(*discard));
    CHECK(discard->ended_with(blk_status::ioerr));
    CHECK(is_untouched(stack));
}

TEST_CASE("a write of units larger than all bounce memory ends with resource instead of waiting forever") {
    fallback_stack stack(
        {.fallback = {.kernel = {.bounce_reserve_pages = 3}}, .queue = {.depth = 4, .bounce_bytes = 4096}});
    const test_key large = stack.make_key(16384);
    const test_key fits = stack.make_key(8192);
    auto io = stack.make_write(0, 16384, large);
    REQUIRE(stack.run(*io));
    CHECK(io->ended_with(blk_status::resource));
    CHECK(is_untouched(stack));
    auto read = stack.make_io(bio_op::read, 0, 16384, large);
    REQUIRE(stack.run(*read));
    CHECK(read->ended_with(blk_status::ok));
    auto smaller = stack.make_write(0, 16384, fits);
    REQUIRE(stack.run(*smaller));
    CHECK(smaller->ended_with(blk_status::ok));
}

// --- device errors ---

TEST_CASE("several encrypted bios end their source once, after the last, with the first error" *
          PROPERTY(39)) {
    fallback_stack stack({.order = completion_order::manual,
                          .fallback = {.kernel = {.bounce_reserve_pages = 0}},
                          .queue = {.depth = 8, .io_size_bytes = 4096, .bounce_bytes = 16384}});
    const test_key key = stack.make_key();
    // Chunks of 4 pages are broken up by taking a page first.
    auto one_page = stack.make_write(800, 4096, key);
    stack.queue->submit(one_page->request);
    auto source = stack.make_write(0, 3 * 4096, key);
    stack.queue->submit(source->request);
    stack.queue->poll();
    REQUIRE(stack.device.held() == 3); // the page, two pages, one page
    stack.device.fail(bio_op::write, sector{16}, blk_status::medium);
    stack.device.fail(bio_op::write, sector{0}, blk_status::nospc);
    stack.device.complete_held(2);
    stack.queue->poll();
    CHECK(source->ends == 0);
    stack.device.complete_all_held();
    REQUIRE(stack.drain());
    CHECK(source->ended_with(blk_status::medium));
    CHECK(one_page->ended_with(blk_status::ok));
}

TEST_CASE("a source fails when any of its encrypted bios fails, and the others are written") {
    for (std::uint64_t bad = 0; bad < 6; ++bad) {
        fallback_stack stack({.order = completion_order::shuffled,
                              .fallback = {.kernel = {.bounce_reserve_pages = 1}},
                              .queue = page_chunks});
        const test_key key = stack.make_key();
        auto source = stack.make_write(0, 6 * 4096, key);
        const auto expected = expected_ciphertext(*source, key);
        stack.device.fail(bio_op::write, sector{8 * bad}, blk_status::medium);
        REQUIRE(stack.run(*source));
        CHECK(source->ended_with(blk_status::medium));
        const auto stored = stack.on_device(0, 6 * 4096);
        for (std::uint64_t page = 0; page < 6; ++page) {
            const auto at = static_cast<std::ptrdiff_t>(page * 4096);
            const bool is_written =
                std::equal(stored.begin() + at, stored.begin() + at + 4096, expected.begin() + at);
            CHECK(is_written == (page != bad));
        }
        stack.device.heal();
        auto again = stack.make_write(0, 6 * 4096, key);
        REQUIRE(stack.run(*again));
        CHECK(again->ended_with(blk_status::ok));
    }
}

TEST_CASE("a read error is passed on and nothing is decrypted" * PROPERTY(42)) {
    for (const unsigned workers : {0U, 1U}) {
        fallback_stack stack({.fallback = {.decrypt_workers = workers}});
        const test_key key = stack.make_key();
        auto io = stack.make_io(bio_op::read, 0, 8192, key);
        const auto before = random_bytes(8192, stack.random.next());
        io->memory.write(before);
        stack.device.fail(bio_op::read, sector{8}, blk_status::medium);
        REQUIRE(stack.run(*io));
        CHECK(io->ended_with(blk_status::medium));
        CHECK(io->memory.read() == before);
        CHECK(stack.queue->keyslot_use().misses == 0);
    }
}

// --- keys the cipher refuses ---

TEST_CASE("a key with equal halves starts, fails its bios and no others, nor the key it displaced" *
          PROPERTY(35)) {
    fallback_stack stack({.keyslots = 1});
    const test_key good = stack.make_key();
    const auto weak = make_weak_key();
    REQUIRE_FALSE(start_using_key(stack.env, stack.device, stack.fallback.get(), *weak));
    auto write = stack.make_write(0, 8192, good);
    REQUIRE(stack.run(*write));
    for (const bio_op op : {bio_op::write, bio_op::read}) {
        auto io = stack.make_io(op, 64, 8192, good); // whole units: it is the key that is refused
        io->request.set_crypt_ctx(*weak, dun(1));
        REQUIRE(stack.run(*io));
        CHECK(io->ended_with(blk_status::inval));
    }
    CHECK(stack.queue->keyslot_use().misses == 3);
    auto read = stack.make_io(bio_op::read, 0, 8192, good);
    REQUIRE(stack.run(*read));
    CHECK(read->memory.read() == write->memory.read());
}

// --- in the middle of a bio ---

TEST_CASE(
    "a failure in the middle of a write leaves the encrypted bios before it to end, then it is reported" *
    PROPERTY(41)) {
    fallback_stack stack({.keyslots = 1,
                          .order = completion_order::manual,
                          .fallback = {.kernel = {.bounce_reserve_pages = 0}},
                          .queue = {.depth = 8, .io_size_bytes = 4096, .bounce_bytes = 8192}});
    const test_key key = stack.make_key(), other = stack.make_key();
    const once_key once(key);
    auto source = stack.make_write(0, 4 * 4096, key);
    source->request.set_crypt_ctx(once, dun(1));
    const auto expected = expected_ciphertext(*source, key);
    stack.queue->submit(source->request);
    stack.queue->poll();
    REQUIRE(stack.device.held() == 1); // two pages of four: all the bounce memory there is
    // While it is parked for memory another key takes its slot, so that it has to be programmed again.
    auto thief = stack.make_io(bio_op::read, 800, 4096, other);
    stack.queue->submit(thief->request);
    stack.queue->poll();
    stack.device.complete_held(1);
    stack.queue->poll();
    REQUIRE(thief->ended_with(blk_status::ok));
    CHECK(source->ends == 0);
    stack.device.complete_held();
    REQUIRE(stack.drain());
    CHECK(source->ended_with(blk_status::target));
    const auto stored = stack.on_device(0, 4 * 4096);
    CHECK(std::equal(stored.begin(), stored.begin() + 8192, expected.begin()));
    CHECK(std::all_of(stored.begin() + 8192, stored.end(), [](std::byte b) { return b == std::byte{0}; }));
    CHECK(stack.queue->pools_are_whole());
    auto next = stack.make_write(0, 8192, key);
    stack.queue->submit(next->request);
    stack.queue->poll();
    stack.device.complete_all_held();
    REQUIRE(stack.drain());
    CHECK(next->ended_with(blk_status::ok));
}
