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

/// The connection goes on: what is written now is read back.
bool still_serves(transmission_rig& on) {
    const auto data = random_bytes(1536, on.random.next());
    return on.server->takes_input() && on.write(512, data) == 0 && on.read(512, 1536) == data;
}

bool is_zeros(bytes_view bytes) {
    return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

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
                CHECK(on.error_of_whole(header_of(type, 0, length, flags)) ==
                      (is_known && fits ? 0 : nbd_einval));
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
                CHECK(on.error_of_whole(header_of(type, range.offset_bytes, range.length_bytes)) == expected);
                CHECK(on.medium.requests().empty());
                CHECK(still_serves(on));
            }
}

TEST_CASE("the least block size of the export is what requests are multiples of") {
    transmission_rig on({.block_bytes_min = 4096});
    for (const command type : {command::read, command::write, command::trim, command::write_zeroes}) {
        CHECK(on.error_of_whole(header_of(type, 512, 4096)) == nbd_einval);
        CHECK(on.error_of_whole(header_of(type, 4096, 512)) == nbd_einval);
        CHECK(on.error_of_whole(header_of(type, 4096, 4096)) == 0);
    }
}

TEST_CASE("more data than the export's largest block is refused, its payload skipped") {
    for (const auto& way : all_ways()) {
        served_options options = way;
        options.block_bytes_max = 64 << 10;
        transmission_rig on(options);
        for (const command type : {command::read, command::write}) {
            CHECK(on.error_of_whole(header_of(type, 0, (64 << 10) + 512)) == nbd_einval);
            CHECK(on.error_of_whole(header_of(type, 0, 900 << 10)) == nbd_einval);
            CHECK(on.medium.requests().empty());
        }
        CHECK(on.error_of_whole(header_of(command::read, 0, 64 << 10)) == 0);
        CHECK(on.error_of_whole(header_of(command::write, 0, 64 << 10)) == 0);
        CHECK(on.error_of_whole(header_of(command::trim, 0, mib)) == 0);
        CHECK(on.error_of_whole(header_of(command::write_zeroes, 0, mib)) == 0);
        CHECK(still_serves(on));
    }
}

TEST_CASE("a read-only export refuses all that changes it, and serves the rest") {
    for (const auto& way : all_ways()) {
        served_options options = way;
        options.read_only = true;
        transmission_rig on(options);
        for (const command type : {command::write, command::trim, command::write_zeroes})
            CHECK(on.error_of_whole(header_of(type, 0, 300 << 10)) == nbd_eperm);
        CHECK(on.medium.requests().empty());
        CHECK(on.error_of_whole(header_of(command::read, 0, 4096)) == 0);
        CHECK(on.error_of_whole(header_of(command::flush, 0, 0)) == 0);
        CHECK(on.is_at_rest());
    }
}

TEST_CASE("a flush with a range is refused") {
    transmission_rig on({});
    CHECK(on.error_of_whole(header_of(command::flush, 512, 0)) == nbd_einval);
    CHECK(on.error_of_whole(header_of(command::flush, 0, 512)) == nbd_einval);
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
