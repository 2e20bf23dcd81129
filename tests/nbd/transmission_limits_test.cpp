// SPDX-License-Identifier: Apache-2.0
// Clients that ask for more than there is, that do not listen, and devices that fail.
#include "tests/nbd/transmission_rig.hpp"
#include "tests/support/allocation_counter.hpp"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <sys/mman.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t mib = 1 << 20;

} // namespace

// --- limits ---

TEST_CASE("more requests than are taken at once all end, each once, whoever lets go first") {
    for (const std::uint32_t unit_bytes : {0U, 4096U})
        for (const bool hears_late : {false, true}) {
            transmission_rig on({.unit_bytes = unit_bytes, .order = completion_order::timed});
            on.fetches = !hears_late;
            std::vector<std::uint64_t> cookies;
            for (unsigned i = 0; i < 2000; ++i)
                cookies.push_back(i % 2 == 0 ? on.client.ask(command::read, i * 512, 512)
                                             : on.client.write(i * 512, random_bytes(512, i)));
            on.settle();
            CHECK(on.client.unsent().empty() == !hears_late);
            CHECK((on.server->receive_space().empty() || !hears_late));
            on.fetches = true;
            on.settle();
            CHECK(on.client.replies() == cookies.size());
            for (const std::uint64_t cookie : cookies)
                REQUIRE(on.client.error_of(cookie) == 0);
            for (unsigned i = 1; i < 2000; i += 2)
                REQUIRE(on.read(i * 512, 512) == random_bytes(512, i));
            CHECK(on.is_at_rest());
        }
}

TEST_CASE("reads that nobody fetches stop at the memory of the connection, and go on when they are fetched") {
    transmission_rig on({.size_bytes = 33 * mib});
    const auto data = random_bytes(32 * mib, test_seed());
    REQUIRE(on.write(512, data) == 0);
    on.fetches = false;
    const std::size_t before = on.asked_of_medium(bio_op::read);
    for (int i = 0; i < 4; ++i)
        on.client.ask(command::read, 512, 32 * mib);
    on.settle();
    CHECK(on.asked_of_medium(bio_op::read) - before <= 132);
    on.fetches = true;
    on.settle();
    CHECK(on.client.replies() == 5);
    CHECK(on.is_at_rest());
}

TEST_CASE("a write that is larger than all memory to receive in waits for the device, and goes on") {
    transmission_rig on({.unit_bytes = 65536, .size_bytes = 33 * mib, .order = completion_order::manual});
    const auto data = random_bytes(32 * mib, test_seed());
    const std::uint64_t write = on.client.write(1024, data);
    on.settle();
    CHECK(on.server->receive_space().empty());
    const std::size_t left = on.client.unsent().size();
    CHECK(left > 27 * mib);
    on.settle();
    CHECK(on.client.unsent().size() == left);
    for (int i = 0; i < 2000 && !on.client.was_answered(write); ++i) {
        on.medium.complete_all_held();
        on.settle();
    }
    REQUIRE(on.client.error_of(write) == 0);
    CHECK(on.is_at_rest());
}

TEST_CASE("pieces that are out are waited for, by reads and by the middle of a write") {
    transmission_rig on({.size_bytes = 33 * mib});
    on.fetches = false;
    std::vector<std::uint64_t> reads;
    for (unsigned i = 0; i < 240; ++i)
        reads.push_back(on.client.ask(command::read, i * 512, 512));
    reads.push_back(on.client.ask(command::read, 512, 31 * mib));
    for (unsigned i = 0; i < 130; ++i)
        reads.push_back(on.client.ask(command::read, i * 512, 512));
    const auto data = random_bytes(4 * mib, test_seed());
    const std::uint64_t write = on.client.write(0, data);
    on.settle();
    CHECK(!on.client.unsent().empty());
    on.fetches = true;
    on.settle();
    CHECK(on.client.error_of(write) == 0);
    CHECK(on.client.replies() == reads.size() + 1);
    CHECK(on.read(0, 4 * mib) == data);
    CHECK(on.is_at_rest());
}

TEST_CASE("what waits for a piece holds no memory meanwhile, however often it is tried again") {
    for (const command waiting : {command::read, command::block_status}) {
        transmission_rig on({.base_allocation = true, .size_bytes = 33 * mib});
        on.fetches = false;
        on.client.ask(command::read, 0, 32 * mib); // 128 pieces of 320, with the next ones all
        for (unsigned i = 0; i < 192; ++i)
            on.client.ask(command::read, i * 512, 512);
        on.client.ask(waiting, 0, 512);
        on.settle();
        REQUIRE(on.server->receive_space().empty());
        for (int i = 0; i < 3000; ++i)
            on.server->resume();
        on.fetches = true;
        on.settle();
        CHECK(on.client.replies() == 194);
        CHECK(on.is_at_rest());
        CHECK(on.read(0, 32 * mib).size() == 32 * mib);
    }
}

namespace {

/// Pages of this process that are in memory, by the system's account.
std::size_t resident_bytes() {
    std::FILE* const file = std::fopen("/proc/self/statm", "r");
    unsigned long size = 0, resident = 0;
    REQUIRE(std::fscanf(file, "%lu %lu", &size, &resident) == 2);
    std::fclose(file);
    return resident * 4096;
}

} // namespace

TEST_CASE("memory that a large read took is given back when the connection has nothing to do") {
    transmission_rig on({.size_bytes = 33 * mib});
    on.fetches = false;
    on.client.ask(command::read, 0, 32 * mib);
    on.settle();
    const std::size_t before = resident_bytes();
    std::size_t bytes = 0;
    do {
        bytes = 0;
        for (const bytes_view view : on.server->output())
            bytes += view.size();
        on.server->sent(bytes);
    } while (bytes != 0);
    CHECK(on.server->is_idle());
    if (allocation_counter::available())
        CHECK(resident_bytes() + 24 * mib < before);
}

TEST_CASE("nothing is allocated for a request, whatever it is") {
    if (!allocation_counter::available())
        return;
    for (const std::uint32_t unit_bytes : {0U, 4096U, 65536U}) {
        transmission_rig on({.unit_bytes = unit_bytes, .base_allocation = true, .size_bytes = 8 * mib});
        REQUIRE(on.write(0, random_bytes(8 * mib, 1)) == 0);
        on.allocations = 0;
        for (unsigned i = 0; i < 300; ++i) {
            on.client.ask(command::read, i * 1024, 512 + i * 512);
            on.client.write(2 * mib + i * 4608, random_bytes(4608, i));
            on.client.ask(command::write_zeroes, 4 * mib + i * 512, 512);
            on.client.ask(command::trim, 5 * mib + i * 4096, 4096);
            on.client.ask(command::block_status, i * 4096, 8192);
            on.client.ask(command::flush, 0, 0);
            on.client.ask(command::read, i, 1);
        }
        on.client.write(4 * mib + 512, random_bytes(3 * mib, 1));
        on.client.ask(command::read, 512, 7 * mib);
        on.settle();
        CHECK(on.is_at_rest());
        CHECK(on.allocations == 0);
    }
}

TEST_CASE("a transmission without memory for itself is an error, and nothing is left behind") {
    if (!allocation_counter::available())
        return;
    transmission_rig on({});
    for (std::uint64_t failing = 0;; ++failing) {
        REQUIRE(failing < 5000);
        std::optional<allocation_fault> fault(failing);
        const auto made = nbd::transmission::make(on.disk, {}, *on.queue, on.counters);
        const bool failed = fault->happened();
        fault.reset();
        CHECK(made.has_value() == !failed);
        if (!failed)
            break;
        failing += failing < 4 ? 0 : 97;
    }
}

TEST_CASE("a disk that offers larger reads than there is memory for is refused") {
    transmission_rig on({});
    on.disk.info.block_bytes_max = (32 << 20) + 512;
    const auto made = nbd::transmission::make(on.disk, {}, *on.queue, on.counters);
    REQUIRE(made.has_error());
    CHECK(made.error() == make_error(EINVAL));
    on.disk.info.block_bytes_max = 32 << 20;
}

// --- faults ---

namespace {

struct asked {
    command type;
    std::uint64_t begin;
    std::uint32_t bytes;
    std::uint64_t cookie = 0;
};

/// Of all kinds, small and of several bios, whole units and parts, none about the range of another.
std::vector<asked> ask_for_everything(transmission_rig& on) {
    std::vector<asked> all{{command::write, 0, 4096},
                           {command::write, 4608, 1024},
                           {command::read, 8192, 4096},
                           {command::read, 12800, 512},
                           {command::write, 66048, 700 << 10},
                           {command::read, mib + 512, 600 << 10},
                           {command::trim, 2 * mib, 8192},
                           {command::write_zeroes, 2 * mib + 65536, 8192},
                           {command::write_zeroes, 3 * mib, mib},
                           {command::flush, 0, 0}};
    for (asked& a : all) {
        const bool is_write = a.type == command::write;
        const std::uint16_t flags = a.bytes == 8192 ? command_flag::fua : std::uint16_t{0};
        a.cookie = on.client.ask({flags, a.type, 0, a.begin, a.bytes},
                                 is_write ? random_bytes(a.bytes, a.begin) : std::vector<std::byte>());
    }
    return all;
}

/// One operation fails: which one is known afterwards.
struct one_fails final : device_faults {
    one_fails(std::size_t n, blk_status with) : number(n), status(with) {}
    std::optional<device_fault> fault_of(const bio& b) noexcept override {
        if (seen++ != number)
            return {};
        op = b.op;
        begin = to_bytes(b.iter.start).value;
        end = begin + b.iter.size_bytes;
        return device_fault{status, data_moved::none};
    }
    bool has_failed() const { return seen > number; }
    /// Whether it may have been for this request: for its range, or for any flush.
    bool may_concern(const asked& a, std::uint64_t unit_bytes) const {
        if (op == bio_op::flush)
            return a.type == command::flush || a.bytes == 8192;
        const std::uint64_t a_begin = a.begin / unit_bytes * unit_bytes;
        const std::uint64_t a_end = (a.begin + a.bytes + unit_bytes - 1) / unit_bytes * unit_bytes;
        return a.type != command::flush && begin < a_end && a_begin < end;
    }
    const std::size_t number;
    const blk_status status;
    std::size_t seen = 0;
    bio_op op = bio_op::read;
    std::uint64_t begin = 0, end = 0;
};

} // namespace

TEST_CASE(
    "whichever operation of the device fails, the request that it was for ends with its error, no other") {
    for (const std::uint32_t unit_bytes : {0U, 4096U})
        for (const bool structured : {false, true}) {
            bool failed = true;
            for (std::size_t number = 0; failed; ++number) {
                CAPTURE(unit_bytes);
                CAPTURE(number);
                transmission_rig on({.unit_bytes = unit_bytes,
                                     .structured = structured,
                                     .size_bytes = 4 * mib,
                                     .nomerges = true});
                one_fails fault(number, number % 2 == 0 ? blk_status::medium : blk_status::nospc);
                on.medium.set_faults(&fault);
                const auto all = ask_for_everything(on);
                on.settle();
                on.medium.set_faults(nullptr);
                failed = fault.has_failed();
                REQUIRE(on.is_at_rest());
                const bool has_lost_writes = on.disk.has_lost_writes; // then all who flush are told
                unsigned errors = 0;
                for (const asked& a : all) {
                    const std::uint32_t error = on.client.error_of(a.cookie);
                    const bool concerns = fault.may_concern(a, std::max(unit_bytes, 512U));
                    if (has_lost_writes && error == nbd_eio && !concerns)
                        continue;
                    errors += error != 0 ? 1 : 0;
                    if (error != 0)
                        CHECK(concerns);
                    if (has_lost_writes && error == nbd_eio)
                        continue;
                    CHECK((error == 0 || error == to_nbd_error(fault.status)));
                    CHECK(on.client.reply_to(a.cookie).data.empty() ==
                          (error != 0 || a.type != command::read));
                }
                CHECK((errors == (failed ? 1 : 0) || (has_lost_writes && errors != 0)));
                CHECK(on.counters.flush_failures == (failed && fault.op == bio_op::flush ? 1 : 0));
                CHECK(on.write(0, random_bytes(4096, number)) == 0);
                CHECK(on.read(0, 4096) == random_bytes(4096, number));
            }
        }
}

TEST_CASE("a write whose beginning fails skips the rest of its payload, and the next request is served") {
    transmission_rig on({.size_bytes = 8 * mib, .order = completion_order::as_submitted});
    on.medium.fail(bio_op::write, {0}, blk_status::ioerr);
    const std::uint64_t write = on.client.write(0, random_bytes(7 * mib, 1));
    const std::uint64_t next = on.client.write(7 * mib, random_bytes(4096, 2));
    on.settle();
    CHECK(on.client.error_of(write) == nbd_eio);
    CHECK(on.client.error_of(next) == 0);
    CHECK(on.asked_of_medium(bio_op::write) < 20);
    CHECK(on.read(7 * mib, 4096) == random_bytes(4096, 2));
    CHECK(on.is_at_rest());
}

TEST_CASE("zeroes of which a part fails are not gone on with, nor flushed") {
    transmission_rig on({.unit_bytes = 4096, .size_bytes = 8 * mib});
    on.medium.fail(bio_op::write, {0}, blk_status::ioerr);
    CHECK(on.error_of(command::write_zeroes, 0, 8 * mib, command_flag::fua) == nbd_eio);
    CHECK(on.asked_of_medium(bio_op::flush) == 0);
    for (const device_request& r : on.medium.requests())
        CHECK(to_bytes(r.start).value < mib);
    CHECK(on.error_of(command::write_zeroes, 4096, 8 * mib - 4096) == 0);
}

TEST_CASE("once data was not made stable all that ask for stable data are told, and only they") {
    transmission_rig on({.unit_bytes = 4096});
    on.medium.fail(bio_op::write, {8}, blk_status::ioerr);
    on.medium.fail(bio_op::write, {16}, blk_status::nospc);
    CHECK(on.error_of(command::flush, 0, 0) == 0);
    CHECK(on.write(8192, random_bytes(4096, 2), command_flag::fua) == nbd_enospc);
    CHECK(on.error_of(command::flush, 0, 0) == 0);
    CHECK(on.write(4096, random_bytes(4096, 3), command_flag::fua) == nbd_eio);
    CHECK(on.error_of(command::flush, 0, 0) == nbd_eio);
    CHECK(on.error_of(command::write_zeroes, 0, 4096, command_flag::fua) == nbd_eio);
    CHECK(on.write(0, random_bytes(4096, 1)) == 0);
    CHECK(on.read(0, 4096) == random_bytes(4096, 1));
    CHECK(on.counters.flush_failures == 1);
}

TEST_CASE("a disk that cannot discard hears a trim and does nothing, one that is gone says so") {
    transmission_rig on({});
    on.medium.fail(bio_op::discard, {0}, blk_status::notsupp);
    on.medium.fail(bio_op::read, {0}, blk_status::offline);
    CHECK(on.error_of(command::trim, 0, 4096) == 0);
    CHECK(on.error_of(command::read, 0, 4096) == nbd_eshutdown);
    CHECK(on.error_of(command::read, 4096, 4096) == 0);
}

TEST_CASE("forced unit access that fails is counted as a failure to make stable") {
    transmission_rig on({});
    on.medium.fail(bio_op::write, {0}, blk_status::ioerr);
    CHECK(on.write(0, random_bytes(4096, 1)) == nbd_eio);
    CHECK(on.counters.flush_failures == 0);
    CHECK(on.write(0, random_bytes(4096, 1), command_flag::fua) == nbd_eio);
    CHECK(on.counters.flush_failures == 1);
}
