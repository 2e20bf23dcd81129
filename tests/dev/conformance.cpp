// SPDX-License-Identifier: Apache-2.0
#include "tests/dev/conformance.hpp"

#include "blkcrypto/base/thread_env.hpp"
#include "tests/support/guarded_buffer.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <doctest/doctest.h>

namespace blkcrypto::test {

std::unique_ptr<env> make_thread_env() {
    return *thread_env::make();
}

std::vector<subject> to_try() {
    const subject_list list = subjects();
    if (list.none_because != nullptr)
        MESSAGE("skipped, tried on nothing: " << list.none_because);
    REQUIRE(list.devices.empty() == (list.none_because != nullptr));
    return list.devices;
}

opened_subject::opened_subject(const subject& what)
    : environment(what.make_env()), device(what.make(subject_capacity)),
      queue(*device->make_queue(*environment, {.depth = subject_depth})) {}

void fill(bytes_span memory, std::uint64_t salt) {
    random_source(test_seed() + salt).fill(memory);
}

bool equal(bytes_view a, bytes_view b) {
    return std::ranges::equal(a, b);
}

bool survives(const subject& what, block_queue& queue, sector at, bytes_span data) {
    return run(queue, bio_op::write, at, {segment_of(data)}) == blk_status::ok &&
           holds(what, queue, at, data);
}

bool holds(const subject& what, block_queue& queue, sector at, bytes_view data) {
    std::vector<std::byte> back(data.size());
    return run(queue, bio_op::read, at, {segment_of(back)}) == blk_status::ok &&
           (!what.keeps_data || equal(data, back));
}

std::vector<bio_op> range_ops(const block_device& device) {
    if (device.limits().discard)
        return {bio_op::discard, bio_op::write_zeroes};
    return {bio_op::write_zeroes};
}

blk_status run_range(block_queue& queue, bio_op op, sector at, std::uint32_t size_bytes) {
    test_io io;
    io.what.prepare_range(op, at, size_bytes, io);
    return run(queue, io);
}

std::vector<bio_vec> cut(bytes_span memory, std::size_t count) {
    std::vector<bio_vec> segments;
    const std::size_t length = memory.size() / count / sector_size_bytes * sector_size_bytes;
    for (std::size_t i = 1; i < count; ++i, memory = memory.subspan(length))
        segments.push_back(segment_of(memory.first(length)));
    segments.push_back(segment_of(memory));
    return segments;
}

} // namespace blkcrypto::test

using namespace blkcrypto;
using namespace blkcrypto::test;

TEST_CASE("the first and the last sector can be written and read back") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        CHECK(on.device->capacity() == subject_capacity);
        CHECK(!on.device->describe().empty());
        std::vector<std::byte> data(sector_size_bytes);
        fill(data, 1);
        CHECK(survives(what, *on.queue, {0}, data));
        fill(data, 2);
        CHECK(survives(what, *on.queue, {subject_capacity.value - 1}, data));
    }
}

TEST_CASE("memory at any address will do, and nothing beside it is touched") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        for (const std::size_t size : {512U, 4096U, 12800U})
            for (const std::size_t shift : {0U, 1U, 4U, 512U, 513U})
                for (const std::uint64_t at : {0U, 1U, 8U}) {
                    CAPTURE(size);
                    CAPTURE(shift);
                    guarded_buffer memory(size + shift, guard_side::end);
                    const bytes_span data = memory.bytes().subspan(shift);
                    fill(data, size);
                    CHECK(survives(what, *on.queue, {at}, data));
                    guarded_buffer other(size + shift, guard_side::start);
                    const bytes_span back = other.bytes().first(size);
                    CHECK(run(*on.queue, bio_op::read, {at}, {segment_of(back)}) == blk_status::ok);
                    CHECK((!what.keeps_data || equal(data, back)));
                }
    }
}

TEST_CASE("a bio out of range ends with ioerr and moves nothing") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        std::vector<std::byte> last(sector_size_bytes), data(2 * sector_size_bytes, std::byte{7});
        fill(last, 3);
        const std::vector<std::byte> before = data;
        REQUIRE(survives(what, *on.queue, {subject_capacity.value - 1}, last));
        for (const std::uint64_t at :
             {subject_capacity.value - 1, subject_capacity.value, std::uint64_t{1} << 54, UINT64_MAX}) {
            for (const bio_op op : {bio_op::read, bio_op::write})
                CHECK(run(*on.queue, op, {at}, {segment_of(data)}) == blk_status::ioerr);
            for (const bio_op op : range_ops(*on.device))
                CHECK(run_range(*on.queue, op, {at}, 1024) == blk_status::ioerr);
        }
        CHECK(equal(data, before));
        CHECK(holds(what, *on.queue, {subject_capacity.value - 1}, last));
    }
}

TEST_CASE("a length that is not whole sectors ends with ioerr and moves nothing") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        std::vector<std::byte> data(3 * sector_size_bytes), other(data.size(), std::byte{7});
        fill(data, 4);
        REQUIRE(survives(what, *on.queue, {8}, data));
        for (const std::uint32_t size_bytes : {1U, 511U, 513U, 1535U}) {
            const bytes_span odd = bytes_span(other).first(size_bytes);
            for (const bio_op op : {bio_op::read, bio_op::write})
                CHECK(run(*on.queue, op, {8}, {segment_of(odd)}) == blk_status::ioerr);
            for (const bio_op op : range_ops(*on.device))
                CHECK(run_range(*on.queue, op, {8}, size_bytes) == blk_status::ioerr);
        }
        CHECK(std::ranges::count(other, std::byte{7}) == std::ssize(other));
        CHECK(holds(what, *on.queue, {8}, data));
    }
}

TEST_CASE("a bio without data ends well") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        CHECK(on.queue->wait() == 0);
        for (const sector at : {sector{0}, sector{7}, subject_capacity}) {
            for (const bio_op op : {bio_op::read, bio_op::write, bio_op::flush})
                CHECK(run(*on.queue, op, at, {}) == blk_status::ok);
            for (const bio_op op : range_ops(*on.device))
                CHECK(run_range(*on.queue, op, at, 0) == blk_status::ok);
        }
    }
}

TEST_CASE("a bio may have from 1 to 200 segments") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        for (const std::size_t count : {1U, 2U, 3U, 63U, 64U, 65U, 128U, 129U, 200U}) {
            CAPTURE(count);
            std::vector<std::byte> data(count * 3 * sector_size_bytes);
            fill(data, count);
            std::vector<bio_vec> segments = cut(data, count);
            CHECK(run(*on.queue, bio_op::write, {3}, segments) == blk_status::ok);
            // Read back to front in memory, so that no two segments follow each other there.
            std::vector<std::byte> back(data.size());
            std::vector<bio_vec> places = cut(back, count);
            std::ranges::reverse(places);
            CHECK(run(*on.queue, bio_op::read, {3}, places) == blk_status::ok);
            bool same = true;
            for (std::size_t i = 0; i < count; ++i)
                same = same && equal({places[i].data, places[i].length_bytes},
                                     {segments[i].data, segments[i].length_bytes});
            CHECK((!what.keeps_data || same));
        }
    }
}
