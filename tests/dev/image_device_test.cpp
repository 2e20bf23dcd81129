// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/image_device.hpp"

#include "tests/dev/image_rig.hpp"

#include <cerrno>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t image_size_bytes = opened_image::size_bytes;

/// With a queue whose results are tampered with: a write and a read of 64 KiB move the right data.
bool moves_data(opened_image& on) {
    page_memory data(65536), back(65536);
    std::ranges::fill(back.bytes(), std::byte{0});
    return run(*on.queue, bio_op::write, {8}, {segment_of(data.bytes())}) == blk_status::ok &&
           on.image.read_back(4096, 65536) == data.copy() &&
           run(*on.queue, bio_op::read, {8}, {segment_of(back.bytes())}) == blk_status::ok &&
           data.copy() == back.copy();
}

blk_status run_range(block_queue& queue, bio_op op, sector at, std::uint32_t size_bytes,
                     bool nounmap = false) {
    test_io io;
    io.what.prepare_range(op, at, size_bytes, io);
    io.what.nounmap = nounmap;
    return run(queue, io);
}

/// Whether the filesystem has the best way to zero a range; all that matter here have the next best.
bool has_zero_range(const opened_image& on) {
    const file_descriptor file(open(on.image.path().c_str(), O_RDWR | O_CLOEXEC));
    return fallocate(file.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
}

std::uint64_t allocated_bytes(const opened_image& on) {
    struct stat status {};
    REQUIRE(stat(on.image.path().c_str(), &status) == 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

/// Fills the image, writes zeroes over all but its first and last sector, and looks at all of it.
bool zeroes_the_middle(opened_image& on, bool nounmap = false) {
    std::vector<std::byte> expected = random_bytes(image_size_bytes, test_seed());
    on.image.overwrite(0, expected);
    constexpr std::uint32_t size_bytes = image_size_bytes - 2 * sector_size_bytes;
    std::fill_n(&expected[sector_size_bytes], size_bytes, std::byte{0});
    return run_range(*on.queue, bio_op::write_zeroes, {1}, size_bytes, nounmap) == blk_status::ok &&
           on.image.read_back(0, image_size_bytes) == expected;
}

blk_status status_after(image_io io, int error, unsigned times, bio_op op = bio_op::write) {
    faults tampering;
    tampering.error = error;
    tampering.errors_left = times;
    opened_image on({.path = {}, .io = io, .test_faults = &tampering});
    page_memory data(4096);
    return run(*on.queue, op, {0}, {segment_of(data.bytes())});
}

} // namespace

TEST_CASE("what a queue writes, a plain pread sees, registered or not, direct or not") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        for (const direct_io direct : {direct_io::automatic, direct_io::off})
            for (const bool registers : {false, true}) {
                opened_image on({.path = {}, .direct = direct, .io = io});
                page_memory data(65536);
                const buffer_id id =
                    registers ? on.queue->register_buffer(data.bytes()) : unregistered_buffer;
                CHECK(run(*on.queue, bio_op::write, {128}, {segment_of(data.bytes(), id)}) == blk_status::ok);
                CHECK(on.image.read_back(65536, 65536) == data.copy());
                const std::vector<std::byte> other = random_bytes(65536, test_seed());
                on.image.overwrite(65536, other);
                CHECK(run(*on.queue, bio_op::read, {128}, {segment_of(data.bytes(), id)}) == blk_status::ok);
                CHECK(data.copy() == other);
            }
    }
}

TEST_CASE("aligned and unaligned bios see each other's data") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        opened_image on({.path = {}, .io = io});
        page_memory pages(8192), odd(4097);
        const bytes_span sectors = odd.bytes().subspan(1, 512);
        CHECK(run(*on.queue, bio_op::write, {0}, {segment_of(pages.bytes())}) == blk_status::ok);
        CHECK(run(*on.queue, bio_op::write, {3}, {segment_of(sectors)}) == blk_status::ok);
        std::vector<std::byte> expected = pages.copy();
        std::ranges::copy(sectors, expected.begin() + 3 * 512);
        CHECK(run(*on.queue, bio_op::read, {0}, {segment_of(pages.bytes())}) == blk_status::ok);
        CHECK(pages.copy() == expected);
        std::ranges::fill(pages.bytes(), std::byte{9});
        CHECK(run(*on.queue, bio_op::write, {0}, {segment_of(pages.bytes())}) == blk_status::ok);
        CHECK(run(*on.queue, bio_op::read, {3}, {segment_of(sectors)}) == blk_status::ok);
        CHECK(std::ranges::count(sectors, std::byte{9}) == 512);
    }
}

TEST_CASE("a device says what it is and what memory it likes") {
    const temporary_image image(4096);
    const auto direct = *make_image_device({.path = image.path()});
    const auto buffered = *make_image_device({.path = image.path(), .direct = direct_io::off});
    CHECK(direct->describe().find(image.path()) == 0);
    CHECK(buffered->describe().find("buffered") != std::string::npos);
    CHECK(buffered->limits().memory_alignment_bytes == 1);
    CHECK(direct->limits().logical_block_size_bytes == 512);
    const bool is_direct = direct->describe().find("direct") != std::string::npos;
    CHECK(is_direct == (direct->limits().memory_alignment_bytes > 1));
}

TEST_CASE("a block size is a power of two from 512 to 4096, and bios keep to it") {
    const temporary_image image(65536);
    for (const std::uint32_t bytes : {0U, 1U, 256U, 1536U, 8192U, 1U << 31}) {
        const auto refused = make_image_device({.path = image.path(), .logical_block_size_bytes = bytes});
        REQUIRE(refused.has_error());
        CHECK(refused.error() == make_error(EINVAL));
    }
    const auto device = *make_image_device({.path = image.path(), .logical_block_size_bytes = 4096});
    CHECK(device->limits().logical_block_size_bytes == 4096);
    const auto env = *thread_env::make();
    const auto queue = *device->make_queue(*env, {});
    page_memory data(4096);
    CHECK(run(*queue, bio_op::read, {1}, {segment_of(data.bytes())}) == blk_status::ioerr);
    CHECK(run(*queue, bio_op::read, {8}, {segment_of(data.bytes())}) == blk_status::ok);
}

TEST_CASE("short transfers go on with the rest, wherever they stopped") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        for (const int bytes_max : {512, 513, 4096, 5000, 65535}) {
            CAPTURE(bytes_max);
            faults tampering;
            tampering.bytes_max = bytes_max;
            opened_image on({.path = {}, .io = io, .test_faults = &tampering});
            CHECK(moves_data(on));
            // What is moved of a block counts only where it goes through the page cache.
            const bool is_direct = on.device->limits().memory_alignment_bytes > 1;
            const int counted = is_direct ? bytes_max / 512 * 512 : bytes_max;
            CHECK(tampering.seen == 2U * static_cast<unsigned>((65536 + counted - 1) / counted));
        }
    }
}

TEST_CASE("short transfers of many segments go on in the middle of one") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        faults tampering;
        tampering.bytes_max = 3000;
        opened_image on({.path = {}, .io = io, .test_faults = &tampering});
        page_memory data(200 * 1024);
        std::vector<bio_vec> segments;
        for (std::size_t i = 0; i < 200; ++i) // every other one moved: none follows the one before in memory
            segments.push_back(segment_of(data.bytes().subspan((i ^ 1U) * 1024, 1024)));
        CHECK(run(*on.queue, bio_op::write, {0}, segments) == blk_status::ok);
        const std::vector<std::byte> expected = data.copy();
        std::ranges::fill(data.bytes(), std::byte{0});
        CHECK(run(*on.queue, bio_op::read, {0}, segments) == blk_status::ok);
        CHECK(data.copy() == expected);
        const auto medium = on.image.read_back(0, 200 * 1024);
        CHECK(std::equal(medium.begin(), medium.begin() + 1024, &expected[1024]));
    }
}

TEST_CASE("an interrupted or put off transfer is tried again, but not for ever") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        for (const int error : {EINTR, EAGAIN}) {
            CHECK(status_after(io, error, 1) == blk_status::ok);
            CHECK(status_after(io, error, 900) == blk_status::ok);
            CHECK(status_after(io, error, 5000) == blk_status::again);
            CHECK(status_after(io, error, 5000, bio_op::read) == blk_status::again);
        }
    }
}

TEST_CASE("a direct transfer whose memory the kernel refuses is copied") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        faults tampering;
        tampering.error = EINVAL;
        tampering.errors_left = 1;
        opened_image on({.path = {}, .io = io, .test_faults = &tampering});
        if (on.device->limits().memory_alignment_bytes > 1)
            CHECK(moves_data(on));
    }
}

TEST_CASE("errors of the medium end the bio with their status, and the queue goes on") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        CHECK(status_after(io, EIO, 1) == blk_status::ioerr);
        CHECK(status_after(io, EIO, 1, bio_op::read) == blk_status::ioerr);
        CHECK(status_after(io, ENOSPC, 1) == blk_status::nospc);
        CHECK(status_after(io, EINVAL, 2) == blk_status::inval);
        faults tampering;
        tampering.error = EIO;
        tampering.errors_left = 3;
        opened_image on({.path = {}, .io = io, .test_faults = &tampering});
        page_memory data(4096);
        int failed = 0;
        for (int i = 0; i < 10; ++i)
            failed += run(*on.queue, bio_op::write, {0}, {segment_of(data.bytes())}) == blk_status::ioerr;
        CHECK(failed == 3);
    }
}

TEST_CASE("a flush before a write that fails ends the write") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        faults tampering;
        tampering.error = EIO;
        tampering.errors_left = 1;
        opened_image on({.path = {}, .io = io, .test_faults = &tampering});
        page_memory data(4096);
        test_io write(bio_op::write, {0}, {segment_of(data.bytes())});
        write.what.preflush = true;
        CHECK(run(*on.queue, write) == blk_status::ioerr);
        CHECK(tampering.seen == 1);
        CHECK(on.image.read_back(0, 4096) == std::vector<std::byte>(4096));
    }
}

// What was refused here has been done all the same: only from the second time on do the zeros show that the
// queue has come to the right way to write them.
TEST_CASE("zeroes that the filesystem cannot make by one way are made by the next, and it is remembered") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        for (const direct_io direct : {direct_io::automatic, direct_io::off})
            for (const unsigned refused : {0U, 1U, 2U}) {
                CAPTURE(refused);
                faults tampering;
                opened_image on({.path = {}, .direct = direct, .io = io, .test_faults = &tampering});
                tampering.error = EOPNOTSUPP;
                tampering.errors_left = refused;
                CHECK(zeroes_the_middle(on));
                const unsigned refusals = std::max(refused, has_zero_range(on) ? 0U : 1U);
                CHECK(tampering.seen == refusals + 1);
                CHECK(zeroes_the_middle(on));
                CHECK(tampering.seen == refusals + 2);
            }
    }
}

TEST_CASE("a range that cannot be zeroed at once is written, and the next one is tried again") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        faults tampering;
        opened_image on({.path = {}, .direct = direct_io::off, .io = io, .test_faults = &tampering});
        for (int i = 0; i < 2; ++i) {
            const unsigned before = tampering.seen;
            tampering.error = EINVAL;
            tampering.errors_left = 1;
            CHECK(zeroes_the_middle(on));
            CHECK(tampering.seen == before + 2);
        }
        const unsigned before = tampering.seen;
        CHECK(zeroes_the_middle(on));
        CHECK(tampering.seen == before + (has_zero_range(on) ? 1 : 2));
    }
}

// A hole shows in what the file has allocated, however it was made.
TEST_CASE("zeroes that are to have space behind them are never made by a hole") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        for (const direct_io direct : {direct_io::automatic, direct_io::off}) {
            faults tampering;
            opened_image on({.path = {}, .direct = direct, .io = io, .test_faults = &tampering});
            CHECK(zeroes_the_middle(on, true));
            CHECK(allocated_bytes(on) >= image_size_bytes);
            const unsigned before = tampering.seen;
            tampering.error = EOPNOTSUPP;
            tampering.errors_left = has_zero_range(on) ? 1 : 0;
            CHECK(zeroes_the_middle(on, true)); // refused, then written
            CHECK(allocated_bytes(on) >= image_size_bytes);
            CHECK(tampering.seen == before + 1 + (has_zero_range(on) ? 1 : 0));
            CHECK(zeroes_the_middle(on)); // nobody minds: by the next best way, which is remembered
            CHECK(allocated_bytes(on) < image_size_bytes / 2);
            CHECK(zeroes_the_middle(on, true));
            CHECK(allocated_bytes(on) >= image_size_bytes);
            CHECK(tampering.seen == before + 3 + (has_zero_range(on) ? 1 : 0));
        }
    }
}

TEST_CASE("a range that is to have space behind it and cannot be zeroed at once is written") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        faults tampering;
        opened_image on({.path = {}, .direct = direct_io::off, .io = io, .test_faults = &tampering});
        tampering.error = EINVAL;
        tampering.errors_left = 1;
        CHECK(zeroes_the_middle(on, true));
        CHECK(allocated_bytes(on) >= image_size_bytes);
        tampering.error = EOPNOTSUPP;
        tampering.errors_left = 2; // the hole too: nothing is left but to write
        CHECK(zeroes_the_middle(on));
        const unsigned before = tampering.seen;
        CHECK(zeroes_the_middle(on, true));
        CHECK(tampering.seen == before + 1);
    }
}

TEST_CASE("zeroes that have to be written go on after short writes, and report errors") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        faults tampering;
        opened_image on({.path = {}, .io = io, .test_faults = &tampering});
        tampering.error = EOPNOTSUPP;
        tampering.errors_left = 2;
        REQUIRE(zeroes_the_middle(on));
        for (const int bytes_max : {513, 5000, 65536, 100'000}) {
            CAPTURE(bytes_max);
            tampering.bytes_max = bytes_max;
            CHECK(zeroes_the_middle(on));
        }
        tampering.error = ENOSPC;
        tampering.errors_left = 1;
        CHECK(run_range(*on.queue, bio_op::write_zeroes, {1}, 4096) == blk_status::nospc);
        CHECK(zeroes_the_middle(on));
    }
}

TEST_CASE("a discard that the filesystem refuses ends with notsupp, and the queue goes on") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        faults tampering;
        opened_image on({.path = {}, .io = io, .test_faults = &tampering});
        for (const unsigned refused : {1U, 3U}) {
            tampering.error = EOPNOTSUPP;
            tampering.errors_left = refused;
            for (unsigned i = 0; i < refused; ++i)
                CHECK(run_range(*on.queue, bio_op::discard, {8}, 65536) == blk_status::notsupp);
            CHECK(moves_data(on));
            CHECK(run_range(*on.queue, bio_op::discard, {8}, 65536) == blk_status::ok);
        }
        CHECK(zeroes_the_middle(on)); // a refused discard says nothing about zeroes
    }
}

TEST_CASE("an image that has become shorter gives ioerr for what is gone") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        opened_image on({.path = {}, .io = io});
        page_memory data(65536);
        on.image.resize(100'000);
        CHECK(run(*on.queue, bio_op::read, {0}, {segment_of(data.bytes())}) == blk_status::ok);
        CHECK(run(*on.queue, bio_op::read, {128}, {segment_of(data.bytes())}) == blk_status::ioerr);
        CHECK(run(*on.queue, bio_op::read, {1024}, {segment_of(data.bytes())}) == blk_status::ioerr);
    }
}

TEST_CASE("a read-only device reads, and ends writes with ioerr") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        opened_image on({.path = {}, .read_only = true, .io = io});
        page_memory data(4096);
        CHECK(run(*on.queue, bio_op::write, {0}, {segment_of(data.bytes())}) == blk_status::ioerr);
        CHECK(run_range(*on.queue, bio_op::discard, {0}, 4096) == blk_status::ioerr);
        CHECK(run_range(*on.queue, bio_op::write_zeroes, {0}, 4096) == blk_status::ioerr);
        CHECK(run(*on.queue, bio_op::read, {0}, {segment_of(data.bytes())}) == blk_status::ok);
        CHECK(run(*on.queue, bio_op::flush, {0}, {}) == blk_status::ok);
    }
}

TEST_CASE("two file queues of one env both end their bios") {
    for (const image_io io : ways_here()) {
        INFO(name_of(io));
        opened_image on({.path = {}, .io = io});
        const auto second = *on.device->make_queue(*on.env, {.depth = 4});
        page_memory data(8192);
        test_io first_io(bio_op::write, {0}, {segment_of(data.bytes().first(4096))});
        test_io second_io(bio_op::write, {8}, {segment_of(data.bytes().last(4096))});
        on.queue->submit(first_io.what);
        second->submit(second_io.what);
        while (first_io.ended + second_io.ended < 2)
            if (on.queue->poll() + second->poll() == 0)
                on.env->sleep();
        CHECK(on.image.read_back(0, 8192) == data.copy());
    }
}
