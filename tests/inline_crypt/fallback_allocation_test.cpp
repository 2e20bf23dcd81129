// SPDX-License-Identifier: Apache-2.0
// Once a queue has been made, its I/O path allocates nothing.
#include "tests/inline_crypt/fallback_stack.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/property.hpp"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <map>
#include <string>
#include <string_view>
#include <sys/resource.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using io_list = std::vector<std::unique_ptr<test_io>>;

// The heap allocations between the first submit and the last end_io.
std::uint64_t allocations_of(fallback_stack& stack, const io_list& ios) {
    const allocation_counter counter;
    for (const auto& io : ios)
        stack.queue->submit(io->request);
    const bool all_ended = stack.drain();
    const std::uint64_t count = counter.count();
    REQUIRE(all_ended);
    CHECK(std::ranges::all_of(ios, [](const auto& io) { return io->ended_with(blk_status::ok); }));
    return count;
}

struct refusing_hooks final : env_hooks {
    bool allow_allocation(const allocation_class& kind, std::size_t, io_context) noexcept override {
        ++asked;
        ++by_kind[kind.name];
        return refused != kind.name;
    }
    std::uint64_t allocations_of(const std::string& kind) { return by_kind[kind]; }
    std::uint64_t order_stamp() noexcept override { return ++stamps; }
    std::string_view refused;
    std::uint64_t asked = 0;
    std::map<std::string, std::uint64_t> by_kind;
    std::uint64_t stamps = 0;
};

/// While it lives the process gets no new mappings.
class no_more_mappings {
  public:
    no_more_mappings() {
        getrlimit(RLIMIT_AS, &before_);
        rlimit none = before_;
        none.rlim_cur = 4096;
        setrlimit(RLIMIT_AS, &none);
    }
    ~no_more_mappings() { setrlimit(RLIMIT_AS, &before_); }

  private:
    rlimit before_{};
};

} // namespace

TEST_CASE("nothing is allocated for writes, reads, keyslot misses and bios that park") {
    if (!allocation_counter::available())
        return;
    for (const unsigned workers : {0U, 2U})
        for (const std::uint64_t bounce_bytes : {0U, 8192U, 8U << 20}) {
            CAPTURE(workers);
            CAPTURE(bounce_bytes);
            fallback_stack stack(
                {.keyslots = 2,
                 .order = completion_order::shuffled,
                 .fallback = {.kernel = {.bounce_reserve_pages = 2}, .decrypt_workers = workers},
                 .queue = {.depth = 8, .bounce_bytes = bounce_bytes},
                 .decrypt_delay_max_ns = 5000});
            std::vector<test_key> keys;
            io_list writes, reads;
            for (int i = 0; i < 7; ++i)
                keys.push_back(stack.make_key(i % 2 == 0 ? 4096 : 512));
            for (std::uint64_t i = 0; i < 40; ++i) {
                writes.push_back(stack.make_write(i * 64, 5 * 4096, keys[i % 7]));
                reads.push_back(stack.make_io(bio_op::read, i * 64, 5 * 4096, keys[i % 7]));
            }
            CHECK(allocations_of(stack, writes) == 0);
            CHECK(allocations_of(stack, reads) == 0);
            CHECK(stack.queue->keyslot_use().evictions != 0);
            for (std::size_t i = 0; i < writes.size(); ++i)
                CHECK(reads[i]->memory.read() == writes[i]->memory.read());
        }
}

TEST_CASE("starting a key is idempotent and does all allocation there is, for tfms and anything else" *
          PROPERTY(18)) {
    refusing_hooks hooks;
    fallback_stack stack({.keyslots = 3, .hooks = &hooks});
    const test_key first = stack.make_key(), second = stack.make_key();
    const std::uint64_t made = hooks.allocations_of("tfm");
    CHECK(made == 3);
    for (int i = 0; i < 3; ++i)
        CHECK_FALSE(start_using_key(stack.env, stack.device, stack.fallback.get(), *first.key));
    CHECK(hooks.allocations_of("tfm") == made);
    io_list ios;
    for (std::uint64_t i = 0; i < 20; ++i)
        ios.push_back(stack.make_write(i * 8, 4096, i % 2 == 0 ? first : second));
    const std::uint64_t asked_for = hooks.asked;
    const std::uint64_t allocated = allocations_of(stack, ios);
    CHECK((allocated == 0 || !allocation_counter::available()));
    CHECK(hooks.asked == asked_for);
}

TEST_CASE("a queue or a fallback without memory is ENOMEM and can be tried again") {
    refusing_hooks hooks;
    fallback_stack stack({.hooks = &hooks});
    hooks.refused = "fallback_queue";
    CHECK(submit_queue::make(stack.device, stack.fallback.get(), stack.env, {}).error() ==
          make_error(ENOMEM));
    hooks.refused = "crypto_fallback.reserve";
    CHECK(crypto_fallback::make(stack.env, *make_keyslot_tfms(stack.env, 1, 1), {}).error() ==
          make_error(ENOMEM));
    hooks.refused = "";
    CHECK(submit_queue::make(stack.device, stack.fallback.get(), stack.env, {}).has_value());
}

TEST_CASE("a queue that could not be made has kept no lane") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    fallback_stack stack;
    const auto next_lane = [&] { return crypto_fallback::taken_lane(*stack.fallback).index(); };
    const unsigned before = next_lane();
    std::uint64_t failing = 0;
    for (bool happened = true; happened; ++failing) {
        const allocation_fault fault(failing);
        const auto made = submit_queue::make(stack.device, stack.fallback.get(), stack.env, {});
        happened = fault.happened();
    }
    CHECK(failing > 10);
    CHECK(next_lane() == before);
}

TEST_CASE("without memory for secrets or for bouncing, keys, slots and queues are ENOMEM") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, a sanitizer needs mappings of its own");
        return;
    }
    fallback_stack stack;
    const auto key_bytes = random_bytes(64, test_seed());
    std::vector<secret> all;
    all.reserve(1 << 14);
    std::error_code secrets, key, slots, bounce;
    {
        const no_more_mappings limited;
        bounce = bounce_pool::make(1 << 20).error();
        for (bool is_left = true; is_left && all.size() < all.capacity();) {
            auto made = secret::make(64);
            is_left = made.has_value();
            if (is_left)
                all.push_back(std::move(*made));
            else
                secrets = made.error();
        }
        key = crypto_key::make(key_bytes, xts_config()).error();
        slots = slot_tfms::make(2, 1).error();
    }
    CHECK(secrets == make_error(ENOMEM));
    CHECK(key == make_error(ENOMEM));
    CHECK(slots == make_error(ENOMEM));
    CHECK(bounce == make_error(ENOMEM));
    all.clear();
    CHECK(slot_tfms::make(2, 1).has_value());
}
