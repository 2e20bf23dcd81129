// SPDX-License-Identifier: Apache-2.0
#include "tests/dev/conformance.hpp"

#include "blkcrypto/base/thread_env.hpp"
#include "tests/dev/test_io.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/guarded_buffer.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <doctest/doctest.h>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr sector capacity{8192};
constexpr unsigned depth = 16;

/// The subjects of this program. Not none without anybody noticing.
std::vector<subject> to_try() {
    const subject_list list = subjects();
    if (list.none_because != nullptr)
        MESSAGE("skipped, tried on nothing: " << list.none_because);
    REQUIRE(list.devices.empty() == (list.none_because != nullptr));
    return list.devices;
}

/// A subject with a queue on this thread.
struct opened {
    explicit opened(const subject& what)
        : env(*thread_env::make()), device(what.make(capacity)),
          queue(*device->make_queue(*env, {.depth = depth})) {}

    std::unique_ptr<thread_env> env;
    std::unique_ptr<block_device> device;
    std::unique_ptr<block_queue> queue;
};

void fill(bytes_span memory, std::uint64_t salt) {
    random_source(test_seed() + salt).fill(memory);
}

bool equal(bytes_view a, bytes_view b) {
    return std::ranges::equal(a, b);
}

/// Writes `data`, reads it into memory of its own, and compares.
bool survives(const subject& what, block_queue& queue, sector at, bytes_span data) {
    std::vector<std::byte> back(data.size());
    const bool ended = run(queue, bio_op::write, at, {segment_of(data)}) == blk_status::ok &&
                       run(queue, bio_op::read, at, {segment_of(back)}) == blk_status::ok;
    return ended && (!what.keeps_data || equal(data, back));
}

/// Cuts memory into segments of whole sectors, all but the last of the same length.
std::vector<bio_vec> cut(bytes_span memory, std::size_t count) {
    std::vector<bio_vec> segments;
    const std::size_t length = memory.size() / count / sector_size_bytes * sector_size_bytes;
    for (std::size_t i = 1; i < count; ++i, memory = memory.subspan(length))
        segments.push_back(segment_of(memory.first(length)));
    segments.push_back(segment_of(memory));
    return segments;
}

} // namespace

TEST_CASE("the first and the last sector can be written and read back") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened on(what);
        CHECK(on.device->capacity() == capacity);
        CHECK(!on.device->describe().empty());
        std::vector<std::byte> data(sector_size_bytes);
        fill(data, 1);
        CHECK(survives(what, *on.queue, {0}, data));
        fill(data, 2);
        CHECK(survives(what, *on.queue, {capacity.value - 1}, data));
    }
}

TEST_CASE("memory at any address will do, and nothing beside it is touched") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened on(what);
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
        opened on(what);
        std::vector<std::byte> data(2 * sector_size_bytes, std::byte{7});
        const std::vector<std::byte> before = data;
        for (const std::uint64_t at : {capacity.value - 1, capacity.value, std::uint64_t{1} << 54})
            for (const bio_op op : {bio_op::read, bio_op::write})
                CHECK(run(*on.queue, op, {at}, {segment_of(data)}) == blk_status::ioerr);
        CHECK(equal(data, before));
    }
}

TEST_CASE("a bio without data ends well") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened on(what);
        CHECK(on.queue->wait() == 0);
        for (const bio_op op : {bio_op::read, bio_op::write, bio_op::flush})
            CHECK(run(*on.queue, op, {0}, {}) == blk_status::ok);
        CHECK(run(*on.queue, bio_op::read, capacity, {}) == blk_status::ok);
    }
}

TEST_CASE("a bio may have from 1 to 200 segments") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened on(what);
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

TEST_CASE("a queue takes its depth at once, and ten times its depth") {
    for (const subject& what : to_try())
        for (const unsigned count : {depth, 10 * depth}) {
            CAPTURE(what.name);
            opened on(what);
            std::vector<std::byte> data(count * 4096), back(data.size());
            fill(data, count);
            for (const bio_op op : {bio_op::write, bio_op::read}) {
                const bytes_span memory = op == bio_op::write ? data : back;
                std::deque<test_io> ios;
                for (unsigned i = 0; i < count; ++i)
                    ios.emplace_back(op, sector{i * 8},
                                     std::vector{segment_of(memory.subspan(i * 4096, 4096))});
                for (test_io& io : ios)
                    on.queue->submit(io.what);
                CHECK(on.queue->in_flight() == count);
                wait_for_all(*on.queue);
                for (const test_io& io : ios)
                    CHECK((io.ended == 1 && io.what.status == blk_status::ok));
            }
            CHECK((!what.keeps_data || data == back));
        }
}

// Lanes are 63 sectors long, so that neighbours share pages of the medium.
TEST_CASE("random reads and writes agree with a model") {
    constexpr unsigned lanes = 16, lane_sectors = 63, rounds = 200;
    constexpr std::size_t lane_bytes = lane_sectors * sector_size_bytes;
    for (const subject& what : to_try()) {
        if (!what.keeps_data)
            continue;
        CAPTURE(what.name);
        opened on(what);
        random_source random(test_seed());
        std::vector<std::byte> model(lanes * lane_bytes), memory(lanes * (lane_bytes + 1));
        // What was never written is not zeros everywhere: it may be decrypted zeros.
        REQUIRE(run(*on.queue, bio_op::write, {0}, {segment_of(model)}) == blk_status::ok);
        for (unsigned round = 0; round < rounds; ++round) {
            std::deque<test_io> ios;
            for (unsigned lane = 0; lane < lanes; ++lane) {
                const std::uint64_t first = random.below(lane_sectors);
                const std::size_t size = (1 + random.below(lane_sectors - first)) * sector_size_bytes;
                const bio_op op = random.below(2) == 0 ? bio_op::read : bio_op::write;
                const bytes_span data =
                    bytes_span(memory).subspan(lane * (lane_bytes + 1) + random.below(2), size);
                random.fill(data);
                if (op == bio_op::write)
                    std::ranges::copy(data, &model[lane * lane_bytes + first * sector_size_bytes]);
                const auto segments = cut(data, 1 + random.below(size / sector_size_bytes));
                ios.emplace_back(op, sector{lane * lane_sectors + first}, segments);
                on.queue->submit(ios.back().what);
            }
            wait_for_all(*on.queue);
            bool right = true;
            for (const test_io& io : ios) {
                const bytes_view expected =
                    bytes_view(model).subspan(to_bytes(io.what.iter.start).value, io.what.iter.size_bytes);
                right = right && io.ended == 1 && io.what.status == blk_status::ok &&
                        equal(expected, {io.segments.front().data, io.what.iter.size_bytes});
            }
            REQUIRE(right);
        }
    }
}

TEST_CASE("two queues on two threads share a device") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        const auto device = what.make(capacity);
        std::array<bool, 2> right{true, true};
        const auto work = [&](unsigned half) {
            const auto env = *thread_env::make();
            const auto queue = *device->make_queue(*env, {.depth = depth});
            std::vector<std::byte> data(65536);
            for (unsigned i = 0; i < 50; ++i) {
                fill(data, half * 1000 + i);
                right[half] = right[half] && survives(what, *queue, {half * 4096 + i * 32}, data);
            }
        };
        std::thread other(work, 1);
        work(0);
        other.join();
        CHECK((right[0] && right[1]));
    }
}

TEST_CASE("an end_io may submit again") {
    struct again final : bio_end_io {
        void end_io(bio& ended) noexcept override {
            good = good && ended.status == blk_status::ok;
            if (--left != 0)
                queue->submit(ended);
        }
        block_queue* queue = nullptr;
        int left = 100;
        bool good = true;
    };
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened on(what);
        std::vector<std::byte> data(4096);
        std::array segments{segment_of(data)};
        again observer;
        observer.queue = on.queue.get();
        bio b;
        b.prepare(bio_op::write, {8}, segments, observer);
        on.queue->submit(b);
        wait_for_all(*on.queue);
        CHECK(observer.left == 0);
        CHECK(observer.good);
    }
}

TEST_CASE("registered memory moves the same data") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened on(what);
        guarded_buffer memory(65536, guard_side::start);
        const buffer_id id = on.queue->register_buffer(memory.bytes());
        const bytes_span source = memory.bytes().first(32768), target = memory.bytes().last(32768);
        fill(source, 5);
        for (const std::size_t count : {1U, 4U}) {
            std::vector<bio_vec> out = cut(source, count), in = cut(target, count);
            for (bio_vec& segment : out)
                segment.buffer = id;
            for (bio_vec& segment : in)
                segment.buffer = id;
            CHECK(run(*on.queue, bio_op::write, {16}, out) == blk_status::ok);
            std::ranges::fill(target, std::byte{0});
            CHECK(run(*on.queue, bio_op::read, {16}, in) == blk_status::ok);
            CHECK((!what.keeps_data || equal(source, target)));
        }
    }
}

TEST_CASE("flush, fua and preflush end well, and the data is there") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened on(what);
        std::vector<std::byte> data(4096), back(4096);
        for (const bool fua : {false, true})
            for (const bool preflush : {false, true}) {
                fill(data, 2U * fua + preflush);
                test_io write(bio_op::write, {24}, {segment_of(data)});
                write.what.fua = fua;
                write.what.preflush = preflush;
                CHECK(run(*on.queue, write) == blk_status::ok);
                CHECK(run(*on.queue, bio_op::flush, {0}, {}) == blk_status::ok);
                CHECK(run(*on.queue, bio_op::read, {24}, {segment_of(back)}) == blk_status::ok);
                CHECK((!what.keeps_data || data == back));
            }
    }
}

TEST_CASE("nothing is allocated on the way of a bio, beyond the depth either") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened on(what);
        constexpr unsigned count = 10 * depth;
        std::vector<std::byte> data(count * 4096);
        std::deque<test_io> ios;
        for (unsigned i = 0; i < count; ++i)
            ios.emplace_back(i % 2 == 0 ? bio_op::write : bio_op::read, sector{i * 8},
                             cut(bytes_span(data).subspan(i * 4096, 4096), 1 + i % 8));
        const allocation_counter counter;
        for (test_io& io : ios)
            on.queue->submit(io.what);
        wait_for_all(*on.queue);
        CHECK(counter.count() == 0);
    }
}
