// SPDX-License-Identifier: Apache-2.0
// What a queue of an image device gathers, and when and where it is carried out. What comes of it: see
// image_device_test.cpp.
#include "blkcrypto/dev/file_queue.hpp"

#include "tests/dev/image_rig.hpp"
#include "tests/dev/restricted_child.hpp"
#include "tests/support/allocation_counter.hpp"

#include <deque>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t page = 4096;
constexpr std::uint32_t large = 128 << 10; // enough for a worker
constexpr unsigned large_count = opened_image::size_bytes / large;

/// Bios of one size, one after the other in memory; on the device with `stride_bytes` from one to the next.
struct bio_row {
    bio_row(bio_op op, unsigned count, std::uint32_t size_bytes, std::uint64_t stride_bytes)
        : memory(std::size_t{count} * size_bytes) {
        for (unsigned i = 0; i < count; ++i)
            ios.emplace_back(op, to_sectors_exact({i * stride_bytes}),
                             std::vector{segment_of(memory.part(i, size_bytes))});
    }
    void submit_to(block_queue& queue) {
        for (test_io& io : ios)
            queue.submit(io.what);
    }
    unsigned ended() const { return static_cast<unsigned>(std::ranges::count(ios, 1, &test_io::ended)); }
    unsigned ended_with(blk_status status) const {
        return static_cast<unsigned>(std::ranges::count_if(
            ios, [=](const test_io& io) { return io.ended == 1 && io.what.status == status; }));
    }
    page_memory memory;
    std::deque<test_io> ios;
};

/// Large writes gathered together, where this process cannot write for itself.
bool writes_without_pwrite(bio_row& row) {
    restrict_syscall(SYS_pwrite64, SECCOMP_RET_ERRNO | EIO);
    restrict_syscall(SYS_pwritev2, SECCOMP_RET_ERRNO | EIO);
    opened_image on({.path = {}, .io = image_io::by_size});
    row.submit_to(*on.queue);
    wait_for_all(*on.queue);
    return row.ended_with(blk_status::ok) == row.ios.size();
}

} // namespace

TEST_CASE("submitting does no I/O, but keeps the thread from sleeping") {
    for (const image_io io : ways_here())
        for (const bool flush : {false, true}) {
            INFO(name_of(io));
            faults tampering;
            opened_image on({.path = {}, .io = io, .test_faults = &tampering});
            bio_row row(bio_op::write, 8, page, 2 * page); // more than the depth
            row.ios.front().what.preflush = flush;
            row.submit_to(*on.queue);
            CHECK(tampering.seen == 0);
            CHECK(row.ended() == 0);
            CHECK(on.env->has_due());
            CHECK(on.image.read_back(0, page) == std::vector<std::byte>(page));
            wait_for_all(*on.queue);
            CHECK(row.ended_with(blk_status::ok) == 8);
            CHECK(tampering.seen == 8U + flush);
            CHECK_FALSE(on.env->has_due());
        }
}

TEST_CASE("adjacent bios are one call, unless merging is off") {
    for (const image_io io : ways_here())
        for (const bool nomerges : {false, true}) {
            INFO(name_of(io));
            faults tampering;
            opened_image on({.path = {}, .io = io, .test_faults = &tampering});
            const auto queue = *on.device->make_queue(*on.env, {.depth = 8, .nomerges = nomerges});
            bio_row row(bio_op::write, 8, page, page);
            row.submit_to(*queue);
            wait_for_all(*queue);
            CHECK(row.ended_with(blk_status::ok) == 8);
            CHECK(tampering.seen == (nomerges ? 8 : 1));
            CHECK(on.image.read_back(0, 8 * page) == row.memory.copy());
        }
}

TEST_CASE("of bios that went out as one, those that had moved are well when the rest fails") {
    for (const image_io io : ways_here())
        for (const int moved : {511, 4096, 6000, 12288}) {
            INFO(name_of(io));
            CAPTURE(moved);
            faults tampering;
            tampering.bytes_max = moved;
            tampering.fail(ENOSPC, 1, 1);
            opened_image on({.path = {}, .io = io, .test_faults = &tampering});
            bio_row row(bio_op::write, 4, page, page);
            row.submit_to(*on.queue);
            wait_for_all(*on.queue);
            const auto well = static_cast<unsigned>(moved) / page;
            CHECK(row.ended_with(blk_status::ok) == well);
            CHECK(row.ended_with(blk_status::nospc) == 4 - well);
            CHECK(std::ranges::all_of(row.ios.begin(), row.ios.begin() + well,
                                      [](const test_io& i) { return i.what.status == blk_status::ok; }));
            CHECK(on.queue->pools_are_whole());
        }
}

TEST_CASE("a poll carries out its share, and the thread does not sleep before the rest is done") {
    faults tampering;
    opened_image on({.path = {}, .io = image_io::preadv2, .test_faults = &tampering});
    bio_row large_row(bio_op::write, large_count, large, large);
    large_row.submit_to(*on.queue);
    CHECK(on.queue->poll() == 4); // half a MiB
    bio_row small_row(bio_op::read, 100, 512, 1024);
    small_row.submit_to(*on.queue);
    unsigned polls = 1;
    while (on.queue->in_flight() != 0) {
        CHECK(on.env->has_due());
        CHECK(on.queue->poll() != 0);
        ++polls;
    }
    CHECK(polls > 4);
    CHECK(large_row.ended_with(blk_status::ok) == large_count);
    CHECK(small_row.ended_with(blk_status::ok) == 100);
    CHECK(tampering.seen == large_count + 100);
}

TEST_CASE("a bio larger than a poll's share is done in one poll") {
    opened_image on({.path = {}, .io = image_io::preadv2});
    bio_row row(bio_op::write, 1, opened_image::size_bytes, 0);
    row.submit_to(*on.queue);
    CHECK(on.queue->poll() == 1);
    CHECK(on.image.read_back(0, opened_image::size_bytes) == row.memory.copy());
}

TEST_CASE("by size, small requests and a large one alone need no ring") {
    if (!have_uring())
        return;
    CHECK(holds_in_child([] {
        opened_image on({.path = {}, .io = image_io::by_size});
        restrict_syscall(SYS_io_uring_enter, SECCOMP_RET_KILL_PROCESS);
        bio_row small_row(bio_op::write, 8, page, 2 * page), large_row(bio_op::write, 1, large, 0);
        small_row.submit_to(*on.queue);
        wait_for_all(*on.queue);
        large_row.submit_to(*on.queue);
        wait_for_all(*on.queue);
        return small_row.ended_with(blk_status::ok) == 8 && large_row.ended_with(blk_status::ok) == 1;
    }));
}

TEST_CASE("by size, large requests in company go through the ring") {
    if (!have_uring())
        return;
    CHECK(holds_in_child([] {
        bio_row row(bio_op::write, 2, large, large);
        return writes_without_pwrite(row);
    }));
    CHECK_FALSE(holds_in_child([] { // small ones do not
        bio_row row(bio_op::write, 2, large / 2, large);
        return writes_without_pwrite(row);
    }));
}

TEST_CASE("by size, small and large requests side by side all end, and nothing is allocated") {
    if (!have_uring())
        return;
    opened_image on({.path = {}, .io = image_io::by_size});
    bio_row large_row(bio_op::write, large_count / 2, large, large);
    bio_row small_row(bio_op::read, 64, page, 2 * page);
    const allocation_counter counter;
    for (unsigned i = 0; i < 64; ++i) {
        if (i < large_count / 2)
            on.queue->submit(large_row.ios[i].what);
        on.queue->submit(small_row.ios[i].what);
        if (i % 8 == 7)
            on.queue->poll();
    }
    wait_for_all(*on.queue);
    CHECK((!allocation_counter::available() || counter.count() == 0));
    CHECK(large_row.ended_with(blk_status::ok) == large_count / 2);
    CHECK(small_row.ended_with(blk_status::ok) == 64);
    CHECK(on.image.read_back(0, large_row.memory.bytes().size()) == large_row.memory.copy());
}
