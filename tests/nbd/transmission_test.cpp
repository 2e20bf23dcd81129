// SPDX-License-Identifier: Apache-2.0
// What each request is answered with: the tables of the protocol, row by row.
#include "blkcrypto/nbd/transmission.hpp"

#include "tests/nbd/transmission_rig.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t mib = 1 << 20;

/// Plain and under a key, with simple and with structured replies.
std::vector<served_options> all_ways() {
    return {{.unit_bytes = 0, .structured = false},
            {.unit_bytes = 0, .structured = true, .base_allocation = true},
            {.unit_bytes = 4096, .structured = false},
            {.unit_bytes = 4096, .structured = true}};
}

request_header header_of(command type, std::uint64_t offset_bytes, std::uint32_t length_bytes,
                         std::uint16_t flags = 0) {
    return {flags, type, 0, offset_bytes, length_bytes};
}

/// Asks with whatever payload the request announces.
std::uint32_t error_of(transmission_rig& on, const request_header& header) {
    std::vector<std::byte> payload(header.type == command::write ? header.length_bytes : 0);
    return on.error_of(header, payload);
}

/// The connection goes on: what is written now is read back.
bool still_serves(transmission_rig& on) {
    const auto data = random_bytes(1536, on.random.next());
    return on.server->takes_input() && on.write(512, data) == 0 && on.read(512, 1536) == data;
}

bool is_zeros(bytes_view bytes) {
    return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

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

// --- good requests ---

TEST_CASE("each command that is offered is done, and answered in the form that was agreed on") {
    for (const auto& options : all_ways()) {
        CAPTURE(options.unit_bytes);
        CAPTURE(options.structured);
        transmission_rig on(options);
        const auto data = random_bytes(16384, test_seed());
        CHECK(on.write(8192, data) == 0);
        CHECK(on.read(8192, 16384) == data);
        CHECK(on.error_of(command::write_zeroes, 8192, 4096) == 0);
        CHECK(is_zeros(on.read(8192, 4096)));
        CHECK(on.error_of(command::trim, 12288, 4096) == 0);
        CHECK(on.read(12288, 4096) == on.deciphered_zeros(12288, 4096));
        CHECK(on.read(16384, 8192) == std::vector(data.begin() + 8192, data.end()));
        CHECK(on.error_of(command::flush, 0, 0) == 0);
        CHECK(on.asked_of_medium(bio_op::flush) == 1);
        CHECK(on.is_at_rest());
    }
}

TEST_CASE("a read is one chunk with its offset where replies are structured, all else is a simple reply") {
    transmission_rig on({.structured = true});
    const std::uint64_t read = on.client.ask(command::read, 1024, 2048);
    const std::uint64_t flush = on.client.ask(command::flush, 0, 0);
    on.settle();
    CHECK(on.client.reply_to(read).type == nbd::reply_type::offset_data);
    CHECK(on.client.reply_to(read).offset_bytes == 1024);
    CHECK(on.client.reply_to(read).data.size() == 2048);
    CHECK(!on.client.reply_to(flush).is_structured);
}

TEST_CASE("the last sector, and all of the disk at once") {
    for (const auto& options : all_ways()) {
        transmission_rig on(options);
        auto data = random_bytes(mib, test_seed());
        CHECK(on.write(0, data) == 0);
        CHECK(on.write(mib - 512, bytes_view(data).first(512)) == 0);
        std::copy_n(data.begin(), 512, data.end() - 512);
        CHECK(on.read(mib - 512, 512) == std::vector(data.end() - 512, data.end()));
        CHECK(on.read(0, mib) == data);
        CHECK(on.holds(data));
    }
}

TEST_CASE("cut units are written without a change to the rest of the unit, wherever they are cut") {
    for (const std::uint32_t unit_bytes : {4096U, 65536U}) {
        transmission_rig on({.unit_bytes = unit_bytes});
        auto model = random_bytes(mib, test_seed());
        REQUIRE(on.write(0, model) == 0);
        for (const auto& [offset, length] : {std::pair{512U, 512U},
                                             {4096U, 512U},
                                             {7680U, 9216U},
                                             {65024U, 66048U},
                                             {130560U, 512U},
                                             {100'352U, 500'224U}}) {
            const auto data = random_bytes(length, test_seed() + offset);
            CHECK(on.write(offset, data) == 0);
            std::ranges::copy(data, model.begin() + offset);
            CHECK(on.holds(model));
            CHECK(on.read(offset, length) == data);
        }
    }
}

TEST_CASE("a trim leaves what it cuts of a data unit as it is, and may come to nothing") {
    transmission_rig on({.unit_bytes = 4096});
    const auto data = random_bytes(65536, test_seed());
    REQUIRE(on.write(0, data) == 0);
    CHECK(on.error_of(command::trim, 4608, 3072) == 0);
    CHECK(on.error_of(command::trim, 7680, 1024) == 0);
    CHECK(on.error_of(command::trim, 4096, 3584) == 0);
    CHECK(on.asked_of_medium(bio_op::discard) == 0);
    CHECK(on.holds(data));
    CHECK(on.error_of(command::trim, 3584, 9216) == 0); // two whole units, and parts on both sides
    REQUIRE(on.asked_of_medium(bio_op::discard) == 1);
    CHECK(on.read(4096, 8192) == on.deciphered_zeros(4096, 8192));
    CHECK(on.read(0, 4096) == std::vector(data.begin(), data.begin() + 4096));
    CHECK(on.read(12288, 4096) == std::vector(data.begin() + 12288, data.begin() + 16384));
}

TEST_CASE("zeroes are read as zeros, of whole units and of parts, also where they take many bios") {
    for (const std::uint32_t unit_bytes : {0U, 4096U, 65536U}) {
        transmission_rig on({.unit_bytes = unit_bytes, .size_bytes = 4 * mib});
        auto model = random_bytes(4 * mib, test_seed());
        REQUIRE(on.write(0, model) == 0);
        for (const auto& [offset, length] :
             {std::pair{512U, 512U}, {4096U, 8192U}, {66048U, 65536U}, {mib + 1536U, 2 * mib + 512U}})
            for (const std::uint16_t flags : {std::uint16_t{0}, command_flag::no_hole, command_flag::fua}) {
                CHECK(on.error_of(command::write_zeroes, offset, length, flags) == 0);
                std::fill_n(model.begin() + offset, length, std::byte{0});
                CHECK(on.holds(model));
            }
        CHECK(on.read(0, 4 * mib) == model);
    }
}

// --- what is refused ---

TEST_CASE("flags that a command does not have are refused, and nothing is done") {
    const std::array commands{command::read, command::write,        command::flush,
                              command::trim, command::write_zeroes, command::block_status};
    for (const auto& options : all_ways())
        for (const command type : commands)
            for (unsigned bit = 0; bit < 16; ++bit) {
                const auto flags = static_cast<std::uint16_t>(1U << bit);
                CAPTURE(static_cast<int>(type));
                CAPTURE(bit);
                transmission_rig on(options);
                const bool is_known = type != command::block_status || options.base_allocation;
                const bool fits =
                    flags == command_flag::fua ||
                    (flags == command_flag::df && type == command::read && options.structured) ||
                    (flags == command_flag::no_hole && type == command::write_zeroes) ||
                    (flags == command_flag::req_one && type == command::block_status);
                const std::uint32_t length = type == command::flush ? 0 : 4096;
                CHECK(error_of(on, header_of(type, 0, length, flags)) == (is_known && fits ? 0 : nbd_einval));
                CHECK((is_known && fits) != (on.medium.requests().empty() && on.counter(type).errors == 1));
            }
}

TEST_CASE("commands that nobody knows are refused and bring no payload") {
    for (const auto& options : all_ways())
        for (const std::uint16_t type : std::array<std::uint16_t, 7>{5, 8, 9, 255, 256, 0x8001, 0xffff}) {
            CAPTURE(type);
            transmission_rig on(options);
            CHECK(on.error_of(header_of(command{type}, 0, 4096)) == nbd_einval);
            CHECK(on.medium.requests().empty());
            CHECK(still_serves(on));
        }
}

namespace {

struct bad_range {
    std::uint64_t offset_bytes;
    std::uint32_t length_bytes;
    bool is_beyond_end;
};

} // namespace

TEST_CASE("ranges that are empty, unaligned or not on the disk are refused, and the next request is served") {
    constexpr std::array<bad_range, 12> ranges{{{0, 0, false},
                                                {4096, 0, false},
                                                {1, 512, false},
                                                {0, 511, false},
                                                {0, 513, false},
                                                {256, 256, false},
                                                {mib, 512, true},
                                                {mib - 512, 1024, true},
                                                {0, mib + 512, true},
                                                {UINT64_C(1) << 40, 4096, true},
                                                {UINT64_MAX - 511, 1024, true},
                                                {UINT64_C(1) << 63, 512, true}}};
    for (const auto& options : all_ways())
        for (const command type :
             {command::read, command::write, command::trim, command::write_zeroes, command::block_status})
            for (const bad_range& range : ranges) {
                CAPTURE(static_cast<int>(type));
                CAPTURE(range.offset_bytes);
                CAPTURE(range.length_bytes);
                transmission_rig on(options);
                const bool is_write = type == command::write || type == command::write_zeroes;
                const std::uint32_t expected = range.is_beyond_end && is_write ? nbd_enospc : nbd_einval;
                CHECK(error_of(on, header_of(type, range.offset_bytes, range.length_bytes)) == expected);
                CHECK(on.medium.requests().empty());
                CHECK(still_serves(on));
            }
}

TEST_CASE("the least block size of the export is what requests are multiples of") {
    transmission_rig on({.block_bytes_min = 4096});
    for (const command type : {command::read, command::write, command::trim, command::write_zeroes}) {
        CHECK(error_of(on, header_of(type, 512, 4096)) == nbd_einval);
        CHECK(error_of(on, header_of(type, 4096, 512)) == nbd_einval);
        CHECK(error_of(on, header_of(type, 4096, 4096)) == 0);
    }
}

TEST_CASE("more data than the export's largest block is refused, its payload skipped") {
    for (const auto& way : all_ways()) {
        served_options options = way;
        options.block_bytes_max = 64 << 10;
        transmission_rig on(options);
        for (const command type : {command::read, command::write}) {
            CHECK(error_of(on, header_of(type, 0, (64 << 10) + 512)) == nbd_einval);
            CHECK(error_of(on, header_of(type, 0, 900 << 10)) == nbd_einval);
            CHECK(on.medium.requests().empty());
        }
        CHECK(error_of(on, header_of(command::read, 0, 64 << 10)) == 0);
        CHECK(error_of(on, header_of(command::write, 0, 64 << 10)) == 0);
        CHECK(error_of(on, header_of(command::trim, 0, mib)) == 0);
        CHECK(error_of(on, header_of(command::write_zeroes, 0, mib)) == 0);
        CHECK(still_serves(on));
    }
}

TEST_CASE("a read-only export refuses all that changes it, and serves the rest") {
    for (const auto& way : all_ways()) {
        served_options options = way;
        options.read_only = true;
        transmission_rig on(options);
        for (const command type : {command::write, command::trim, command::write_zeroes})
            CHECK(error_of(on, header_of(type, 0, 300 << 10)) == nbd_eperm);
        CHECK(on.medium.requests().empty());
        CHECK(error_of(on, header_of(command::read, 0, 4096)) == 0);
        CHECK(error_of(on, header_of(command::flush, 0, 0)) == 0);
        CHECK(on.is_at_rest());
    }
}

TEST_CASE("a flush with a range is refused") {
    transmission_rig on({});
    CHECK(error_of(on, header_of(command::flush, 512, 0)) == nbd_einval);
    CHECK(error_of(on, header_of(command::flush, 0, 512)) == nbd_einval);
    CHECK(on.medium.requests().empty());
}

TEST_CASE("errors of reads and of block status are chunks where replies are structured, all others are not") {
    for (const auto& options : all_ways()) {
        transmission_rig on(options);
        const std::uint64_t read = on.client.ask(command::read, mib, 512);
        const std::uint64_t status = on.client.ask(command::block_status, mib, 512);
        const std::uint64_t trim = on.client.ask(command::trim, mib, 512);
        on.settle();
        CHECK(on.client.reply_to(read).is_structured == options.structured);
        CHECK(on.client.reply_to(status).is_structured == options.structured);
        CHECK(!on.client.reply_to(trim).is_structured);
        for (const std::uint64_t cookie : {read, status, trim}) {
            CHECK(on.client.error_of(cookie) == nbd_einval);
            CHECK(on.client.reply_to(cookie).data.empty());
        }
    }
}

// --- stability ---

TEST_CASE("forced unit access goes down with writes, and is a flush behind whatever has no data") {
    for (const std::uint32_t unit_bytes : {0U, 4096U}) {
        transmission_rig on({.unit_bytes = unit_bytes, .size_bytes = 4 * mib});
        const auto data = random_bytes(600 << 10, test_seed()); // of several bios
        REQUIRE(on.write(0, data, command_flag::fua) == 0);
        CHECK(on.asked_of_medium(bio_op::write) > 1);
        for (const device_request& r : on.medium.requests())
            CHECK(r.fua);
        for (const command type : {command::trim, command::write_zeroes}) {
            const std::size_t flushes = on.asked_of_medium(bio_op::flush);
            REQUIRE(on.error_of(type, 0, 3 * mib) == 0);
            CHECK(on.asked_of_medium(bio_op::flush) == flushes);
            REQUIRE(on.error_of(type, 0, 3 * mib, command_flag::fua) == 0);
            CHECK(on.asked_of_medium(bio_op::flush) == flushes + 1);
            CHECK(on.medium.requests().back().op == bio_op::flush);
        }
    }
}

TEST_CASE("a flush goes down when those writes have ended that were answered before it was asked for") {
    transmission_rig on({.order = completion_order::timed});
    on.medium.watch_stability();
    const auto data = random_bytes(65536, test_seed());
    REQUIRE(on.write(0, data) == 0);
    REQUIRE(on.error_of(command::flush, 0, 0) == 0);
    on.medium.cut_power();
    CHECK(on.read(0, 65536) == data);
}

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
    CHECK(error_of(on, header_of(command::read, mib, 512)) == nbd_einval);
    CHECK(error_of(on, header_of(command::trim, 0, 4096)) == 0);
    CHECK(error_of(on, header_of(command::write_zeroes, 0, 12288)) == 0);
    CHECK(error_of(on, header_of(command::block_status, 0, 512)) == 0);
    CHECK(error_of(on, header_of(command::flush, 0, 0)) == 0);
    CHECK(error_of(on, header_of(command::cache, 0, 512)) == nbd_einval);
    CHECK(error_of(on, header_of(command{99}, 0, 512)) == nbd_einval);
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
        CHECK((one.quantile_ns(0.5) - ns <= ns / 4 + 1 || one.quantile_ns(0.5) == UINT64_MAX));
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
