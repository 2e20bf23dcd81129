// SPDX-License-Identifier: Apache-2.0
// Conformance: many bios at once, several queues, and what a bio may not cost.
#include "tests/dev/conformance.hpp"
#include "tests/support/allocation_counter.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <doctest/doctest.h>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

TEST_CASE("a queue takes its depth at once, and ten times its depth") {
    for (const subject& what : to_try())
        for (const unsigned count : {subject_depth, 10 * subject_depth}) {
            CAPTURE(what.name);
            opened_subject on(what);
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

// Each fourth of the bios in turn; no two touch the same sectors.
TEST_CASE("reads, writes, zeroes and flushes go side by side, up to the depth and beyond") {
    for (const subject& what : to_try())
        for (const unsigned count : {subject_depth, 10 * subject_depth}) {
            CAPTURE(what.name);
            opened_subject on(what);
            std::vector<std::byte> data(count * 4096), back(data.size());
            fill(data, count);
            REQUIRE(survives(what, *on.queue, {0}, data));
            std::deque<test_io> ios;
            for (unsigned i = 0; i < count; ++i) {
                const sector at{i * 8};
                const bytes_span part = bytes_span(data).subspan(i * 4096, 4096);
                test_io& io = ios.emplace_back();
                io.segments = {segment_of(i % 4 == 0 ? bytes_span(back).subspan(i * 4096, 4096) : part)};
                if (i % 4 == 0) {
                    io.what.prepare(bio_op::read, at, io.segments, io);
                } else if (i % 4 == 1) {
                    fill(part, i);
                    io.what.prepare(bio_op::write, at, io.segments, io);
                    io.what.preflush = i % 8 == 1;
                    io.what.fua = i % 3 == 0;
                } else if (i % 4 == 2) {
                    std::ranges::fill(part, std::byte{0});
                    io.what.prepare_range(bio_op::write_zeroes, at, 4096, io);
                } else {
                    io.what.prepare(bio_op::flush, {0}, {}, io);
                }
            }
            for (test_io& io : ios)
                on.queue->submit(io.what);
            wait_for_all(*on.queue);
            bool right = true;
            for (unsigned i = 0; i < count; ++i)
                right = right && ios[i].ended == 1 && ios[i].what.status == blk_status::ok &&
                        (i % 4 != 0 || !what.keeps_data ||
                         equal({&back[i * 4096], 4096}, {&data[i * 4096], 4096}));
            CHECK(right);
            CHECK(holds(what, *on.queue, {0}, data));
        }
}

// Neither queue may sleep over what the other one has collected, or tried and could not yet.
TEST_CASE("two queues of one env both end their bios") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        const auto second = *on.device->make_queue(*on.environment, {.depth = subject_depth});
        const std::array queues{on.queue.get(), second.get()};
        constexpr unsigned count = 4 * subject_depth;
        std::vector<std::byte> data(count * 4096);
        fill(data, 8);
        std::deque<test_io> ios;
        for (unsigned i = 0; i < count; ++i) {
            ios.emplace_back(bio_op::write, sector{i * 8},
                             std::vector{segment_of(bytes_span(data).subspan(i * 4096, 4096))});
            queues[i % 2]->submit(ios.back().what);
        }
        while (queues[0]->in_flight() + queues[1]->in_flight() != 0)
            if (queues[0]->poll() + queues[1]->poll() == 0)
                on.environment->sleep();
        CHECK(holds(what, *on.queue, {0}, data));
    }
}

TEST_CASE("two queues on two threads share a device") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        const auto device = what.make(subject_capacity);
        std::array<bool, 2> right{true, true};
        const auto work = [&](unsigned half) {
            const auto environment = what.make_env();
            const auto queue = *device->make_queue(*environment, {.depth = subject_depth});
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
        opened_subject on(what);
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

TEST_CASE("nothing is allocated on the way of a bio, beyond the depth either") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        constexpr unsigned count = 10 * subject_depth;
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
        CHECK(on.queue->pools_are_whole());
    }
}

TEST_CASE("a queue that lacks memory, whatever for, is ENOMEM, and the next one works") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        std::uint64_t failing = 0;
        for (bool happened = true; happened; ++failing) {
            CAPTURE(failing);
            std::error_code error;
            {
                const allocation_fault fault(failing);
                const auto queue = on.device->make_queue(*on.environment, {.depth = subject_depth});
                happened = fault.happened();
                error = queue.has_error() ? queue.error() : std::error_code{};
            }
            CHECK(error == (happened ? make_error(ENOMEM) : std::error_code{}));
        }
        std::vector<std::byte> data(4096);
        fill(data, failing);
        CHECK(survives(what, *on.queue, {8}, data));
    }
}
