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

TEST_CASE("memory that direct I/O cannot use is copied, 64 KiB at a time") {
    constexpr std::uint32_t size_bytes = (64 << 10) + 3 * 512;
    for (const image_io io : ways_here())
        for (const std::uint32_t off : {1U, 512U}) {
            INFO(name_of(io));
            CAPTURE(off);
            faults tampering;
            opened_image on({.path = {}, .io = io, .test_faults = &tampering});
            const bool has_direct = on.device->describe().find("direct") != std::string::npos;
            const bool copies = has_direct && off % on.device->limits().memory_alignment_bytes != 0;
            page_memory data(size_bytes + off), again(size_bytes + off);
            // In several segments, two of them shorter than a page.
            const auto segments = [&](page_memory& memory) {
                const bytes_span bytes = memory.bytes().subspan(off);
                return std::vector{segment_of(bytes.first(512)), segment_of(bytes.subspan(512, 50 << 10)),
                                   segment_of(bytes.subspan(512 + (50 << 10)))};
            };
            CHECK(run(*on.queue, bio_op::write, sector{5}, segments(data)) == blk_status::ok);
            CHECK(tampering.seen == (copies ? 2 : 1));
            CHECK(on.image.read_back(5 * 512, size_bytes) ==
                  std::vector<std::byte>(data.bytes().begin() + off, data.bytes().end()));
            CHECK(run(*on.queue, bio_op::read, sector{5}, segments(again)) == blk_status::ok);
            CHECK(std::ranges::equal(again.bytes().subspan(off), data.bytes().subspan(off)));
            CHECK(on.queue->pools_are_whole());
        }
}

TEST_CASE("requests that are copied and requests that are not go side by side") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        opened_image on({.path = {}, .io = io});
        const auto queue = *on.device->make_queue(*on.env, {.depth = 32, .nomerges = true});
        page_memory aligned(16 * page), odd(16 * page + 1);
        std::deque<test_io> ios;
        for (unsigned i = 0; i < 32; ++i)
            ios.emplace_back(
                bio_op::write, sector{i * 8ULL},
                std::vector{segment_of(i % 2 == 0 ? aligned.part(i / 2, page)
                                                  : odd.bytes().subspan(1 + i / 2 * page, page))});
        for (auto& io_of_it : ios)
            queue->submit(io_of_it.what);
        wait_for_all(*queue);
        for (unsigned i = 0; i < 32; ++i) {
            CHECK(ios[i].what.status == blk_status::ok);
            CHECK(std::ranges::equal(on.image.read_back(i * page, page),
                                     bytes_view(ios[i].what.segments[0].data, page)));
        }
    }
}

// The page cache and direct I/O do not mix: where they meet on a page, the kernel says so at the next flush.
TEST_CASE("blocks that are no pages are written and read at once all over an image, and the flush is well") {
    constexpr std::uint32_t block = 1536;
    constexpr unsigned blocks = 85; // as many as 128 KiB have, less a third
    random_source random(test_seed());
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        opened_image on({.path = {}, .io = io});
        const auto queue = *on.device->make_queue(*on.env, {.depth = 16});
        std::vector<unsigned> order(blocks);
        for (unsigned i = 0; i < blocks; ++i)
            order[i] = i;
        for (int round = 0; round < 100; ++round) {
            bio_row row(bio_op::write, blocks, block, block), looks(bio_op::read, blocks, block, block);
            for (unsigned i = 0; i < blocks; ++i) // strangers here and there, mostly neighbours
                if (random.below(3) == 0)
                    std::swap(order[i], order[random.below(blocks)]);
            for (unsigned i = 0; i < blocks; ++i) {
                queue->submit(row.ios[order[i]].what);
                queue->submit(looks.ios[order[blocks - 1 - i]].what); // some of what is being written
                if (random.below(8) == 0)
                    queue->poll();
            }
            wait_for_all(*queue);
            REQUIRE(row.ended_with(blk_status::ok) == blocks);
            REQUIRE(looks.ended_with(blk_status::ok) == blocks);
            REQUIRE(run(*queue, bio_op::flush, {}, {}) == blk_status::ok);
            REQUIRE(on.image.read_back(0, blocks * block) == row.memory.copy());
        }
    }
}

TEST_CASE("of bios that went out as one, those that had moved are well when the rest fails") {
    for (const image_io io : ways_here())
        for (const int moved : {512, 4096, 6000, 12288}) {
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
