// SPDX-License-Identifier: Apache-2.0
// What is told of holes, how a connection ends, and what is counted.
#include "tests/nbd/transmission_rig.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t mib = 1 << 20;

struct extent {
    std::uint32_t length_bytes;
    std::uint32_t flags;
    bool operator==(const extent&) const = default;
};

/// Of a chunk of block status, after the number of its context.
std::vector<extent> extents_in(const nbd_reply& reply) {
    REQUIRE(reply.type == nbd::reply_type::block_status);
    REQUIRE(reply.data.size() % 8 == 4);
    REQUIRE(load_big<std::uint32_t>(reply.data.data()) == nbd::base_allocation_id);
    std::vector<extent> extents;
    for (std::size_t at = 4; at < reply.data.size(); at += 8)
        extents.push_back(
            {load_big<std::uint32_t>(&reply.data[at]), load_big<std::uint32_t>(&reply.data[at + 4])});
    return extents;
}

/// Every other run of so many bytes is a hole, the first is data.
struct striped_map final : nbd::allocation_map {
    explicit striped_map(std::uint64_t bytes) : stripe_bytes(bytes) {}
    nbd::allocation_extent extent_at(std::uint64_t offset_bytes) const noexcept override {
        return {stripe_bytes - offset_bytes % stripe_bytes, offset_bytes / stripe_bytes % 2 == 1};
    }
    const std::uint64_t stripe_bytes;
};

constexpr std::uint32_t hole_and_zero = nbd::extent_flag::hole | nbd::extent_flag::zero;

} // namespace

// --- block status ---

TEST_CASE("block status tells the extents of the range that was asked for, to its end") {
    const striped_map map(65536);
    transmission_rig on({.base_allocation = true, .holes = &map});
    const auto status_of = [&](std::uint64_t offset, std::uint32_t length, std::uint16_t flags = 0) {
        const std::uint64_t cookie = on.client.ask(command::block_status, offset, length, flags);
        on.settle();
        return extents_in(on.client.reply_to(cookie));
    };
    CHECK(status_of(0, 65536) == std::vector<extent>{{65536, 0}});
    CHECK(status_of(65536, 512) == std::vector<extent>{{512, hole_and_zero}});
    CHECK(status_of(65024, 66048) == std::vector<extent>{{512, 0}, {65536, hole_and_zero}});
    CHECK(status_of(4096, 131072) == std::vector<extent>{{61440, 0}, {65536, hole_and_zero}, {4096, 0}});
    CHECK(status_of(4096, 131072, command_flag::req_one) == std::vector<extent>{{61440, 0}});
    CHECK(status_of(69632, mib - 69632, command_flag::req_one) ==
          std::vector<extent>{{61440, hole_and_zero}});
    CHECK(status_of(0, mib).size() == 16);
    CHECK(on.is_at_rest());
}

TEST_CASE("a block status of very many extents is a beginning of them") {
    const striped_map map(512);
    transmission_rig on({.base_allocation = true, .holes = &map});
    const std::uint64_t cookie = on.client.ask(command::block_status, 0, mib);
    on.settle();
    const auto extents = extents_in(on.client.reply_to(cookie));
    CHECK(extents.size() == 64);
    for (std::size_t i = 0; i < extents.size(); ++i)
        CHECK(extents[i] == extent{512, i % 2 == 1 ? hole_and_zero : 0});
}

TEST_CASE("without a map all is data") {
    transmission_rig on({.unit_bytes = 4096, .base_allocation = true});
    const std::uint64_t cookie = on.client.ask(command::block_status, 4096, mib - 4096);
    on.settle();
    CHECK(extents_in(on.client.reply_to(cookie)) == std::vector<extent>{{mib - 4096, 0}});
}

// --- the end ---

TEST_CASE("after a goodbye what is in flight is answered, and nothing more is taken") {
    for (const auto& way : all_ways()) {
        served_options options = way;
        options.order = completion_order::manual;
        transmission_rig on(options);
        const std::uint64_t read = on.client.ask(command::read, 0, 4096);
        on.client.ask(command::disc, 0, 0);
        const std::uint64_t late = on.client.ask(command::flush, 0, 0);
        on.settle();
        CHECK(!on.server->takes_input());
        CHECK(on.server->receive_space().empty());
        CHECK(!on.server->is_idle());
        on.medium.complete_all_held();
        on.settle();
        CHECK(on.client.error_of(read) == 0);
        CHECK(!on.client.was_answered(late));
        CHECK(on.server->is_idle());
        CHECK(on.asked_of_medium(bio_op::flush) == 0);
        CHECK(on.counter(command::disc).requests == 1);
    }
}

TEST_CASE("bytes that are no request end it, and what was in flight is answered before") {
    transmission_rig on({.order = completion_order::manual});
    const std::uint64_t read = on.client.ask(command::read, 0, 4096);
    on.client.say(random_bytes(28, test_seed()));
    on.client.ask(command::flush, 0, 0);
    on.settle();
    CHECK(!on.server->takes_input());
    on.medium.complete_all_held();
    on.settle();
    CHECK(on.client.error_of(read) == 0);
    CHECK(on.client.replies() == 1);
    CHECK(on.server->is_idle());
}

TEST_CASE("stop in the middle of a payload ends that write with a shutdown, and others well") {
    for (const std::uint32_t sent : {0U, 1U, 4096U, 300U << 10}) {
        CAPTURE(sent);
        transmission_rig on({.unit_bytes = 4096, .order = completion_order::shuffled});
        const std::uint64_t read = on.client.ask(command::read, 0, 4096);
        const std::uint64_t cut = on.client.ask(header_of(command::write, 4096, 512 << 10));
        on.client.say(random_bytes(sent, test_seed()));
        while (on.feed()) {
        }
        CHECK(!on.client.was_answered(cut));
        on.server->stop();
        CHECK(!on.server->takes_input());
        on.settle();
        CHECK(on.client.error_of(read) == 0);
        CHECK(on.client.error_of(cut) == nbd_eshutdown);
        CHECK(on.is_at_rest());
        CHECK(on.counter(command::write).errors == 1);
    }
}

TEST_CASE("stop between requests, and in the middle of a header, does what was taken and no more") {
    transmission_rig on({});
    const std::uint64_t flush = on.client.ask(command::flush, 0, 0);
    on.client.say(random_bytes(27, test_seed()));
    while (on.feed()) {
    }
    on.server->stop();
    on.server->stop();
    on.settle();
    CHECK(on.client.error_of(flush) == 0);
    CHECK(on.is_at_rest());
}

TEST_CASE("nothing is sent to a client that is gone, whatever is in flight or was to be sent") {
    for (const auto& way : all_ways()) {
        served_options options = way;
        options.order = completion_order::manual;
        transmission_rig on(options);
        on.fetches = false;
        on.client.ask(command::read, 0, 65536);
        on.settle();
        on.medium.complete_all_held();
        on.settle();
        on.server->sent(100); // a part of that reply
        on.client.ask(command::read, 0, 65536);
        on.client.ask(header_of(command::write, 65536, 512 << 10));
        on.client.say(random_bytes(280 << 10, test_seed()));
        on.settle();
        on.server->client_gone();
        CHECK(on.server->output().empty());
        CHECK(!on.server->takes_input());
        CHECK(!on.server->is_idle());
        on.medium.complete_all_held();
        on.settle();
        CHECK(on.server->output().empty());
        for (int i = 0; i < 8 && !on.server->is_idle(); ++i) {
            on.medium.complete_all_held();
            on.settle();
        }
        CHECK(on.server->is_idle());
        CHECK(on.queue->pools_are_whole());
    }
}

// --- counters ---

TEST_CASE("requests, bytes, errors and times are counted by command") {
    transmission_rig on({.base_allocation = true, .order = completion_order::timed});
    on.e.advance_clock(1'000'000'000'000);
    REQUIRE(on.write(0, random_bytes(8192, 1)) == 0);
    REQUIRE(on.write(0, random_bytes(4096, 1)) == 0);
    on.read(0, 65536);
    CHECK(on.error_of_whole(header_of(command::read, mib, 512)) == nbd_einval);
    CHECK(on.error_of_whole(header_of(command::trim, 0, 4096)) == 0);
    CHECK(on.error_of_whole(header_of(command::write_zeroes, 0, 12288)) == 0);
    CHECK(on.error_of_whole(header_of(command::block_status, 0, 512)) == 0);
    CHECK(on.error_of_whole(header_of(command::flush, 0, 0)) == 0);
    CHECK(on.error_of_whole(header_of(command::cache, 0, 512)) == nbd_einval);
    CHECK(on.error_of_whole(header_of(command{99}, 0, 512)) == nbd_einval);
    const auto counted = [&](command c, std::uint64_t requests, std::uint64_t bytes, std::uint64_t errors) {
        CAPTURE(static_cast<int>(c));
        CHECK(on.counter(c).requests == requests);
        CHECK(on.counter(c).bytes == bytes);
        CHECK(on.counter(c).errors == errors);
    };
    counted(command::write, 2, 12288, 0);
    counted(command::read, 2, 65536, 1);
    counted(command::trim, 1, 4096, 0);
    counted(command::write_zeroes, 1, 12288, 0);
    counted(command::block_status, 1, 512, 0);
    counted(command::flush, 1, 0, 0);
    counted(command::cache, 1, 0, 1);
    CHECK(on.counters.flush_failures == 0);
    CHECK(on.counter(command::write).latency.quantile_ns(1.0) >= 1);
    CHECK(on.counter(command::write).latency.quantile_ns(1.0) <= 2'000'000);
}

TEST_CASE("a quantile is the end of the bucket that its time is in, and no bucket is wider than a quarter") {
    random_source random(test_seed());
    for (int i = 0; i < 2000; ++i) {
        const std::uint64_t ns = random.next() >> random.below(62);
        CAPTURE(ns);
        nbd::latency_buckets one;
        one.add(ns);
        CHECK(one.quantile_ns(0.5) > ns);
        CHECK(one.quantile_ns(0.5) - ns <= ns / 4 + 1);
    }
    nbd::latency_buckets many;
    CHECK(many.quantile_ns(0.5) == 0);
    for (std::uint64_t ns = 1; ns <= 1000; ++ns)
        many.add(ns);
    CHECK(many.quantile_ns(0.5) >= 500);
    CHECK(many.quantile_ns(0.5) <= 640);
    CHECK(many.quantile_ns(0.99) >= 990);
    CHECK(many.quantile_ns(0) == 2);
}
