// SPDX-License-Identifier: Apache-2.0
// Conformance: the data that was written is what is read, however it came.
#include "tests/dev/conformance.hpp"
#include "tests/support/guarded_buffer.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <deque>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

// Lanes are 63 sectors long, so that neighbours share pages of the medium.
TEST_CASE("random reads and writes agree with a model") {
    constexpr unsigned lanes = 16, lane_sectors = 63, rounds = 200;
    constexpr std::size_t lane_bytes = lane_sectors * sector_size_bytes;
    for (const subject& what : to_try()) {
        if (!what.keeps_data)
            continue;
        CAPTURE(what.name);
        opened_subject on(what);
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

TEST_CASE("registered memory moves the same data") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
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
        opened_subject on(what);
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

TEST_CASE("an empty write with preflush is a flush") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        std::vector<std::byte> data(4096);
        fill(data, 6);
        REQUIRE(survives(what, *on.queue, {40}, data));
        for (const bool fua : {false, true}) {
            test_io flush(bio_op::write, {0}, {});
            flush.what.preflush = true;
            flush.what.fua = fua;
            CHECK(run(*on.queue, flush) == blk_status::ok);
        }
        CHECK(holds(what, *on.queue, {40}, data));
    }
}

TEST_CASE("fua and preflush on anything but a write end with ioerr, and the queue goes on") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        std::vector<std::byte> data(4096), memory(4096, std::byte{7});
        fill(data, 7);
        REQUIRE(survives(what, *on.queue, {48}, data));
        for (const bool fua : {false, true}) {
            test_io read(bio_op::read, {48}, {segment_of(memory)}), zeroes, flush(bio_op::flush, {0}, {});
            zeroes.what.prepare_range(bio_op::write_zeroes, {48}, 4096, zeroes);
            for (test_io* io : {&read, &zeroes, &flush}) {
                io->what.fua = fua;
                io->what.preflush = !fua;
                CHECK(run(*on.queue, *io) == blk_status::ioerr);
            }
        }
        CHECK(std::ranges::count(memory, std::byte{7}) == std::ssize(memory));
        CHECK(holds(what, *on.queue, {48}, data));
    }
}
