// SPDX-License-Identifier: Apache-2.0
#include "bench/block_stream.hpp"

#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <map>
#include <set>

using namespace blkcrypto;
using bench::access_pattern;
using bench::block_stream;
using bench::workload_options;

TEST_CASE("sequential jobs cover the image in parts of their own, the short last block included") {
    constexpr std::uint64_t size = 100 * 4096 + 512;
    for (const unsigned jobs : {1U, 2U, 3U, 7U, 101U}) {
        CAPTURE(jobs);
        const workload_options options{
            .pattern = access_pattern::write, .jobs = jobs, .seed = test::test_seed()};
        std::map<std::uint64_t, std::uint32_t> lengths;
        for (unsigned job = 0; job < jobs; ++job) {
            block_stream stream(options, size, job, 0);
            std::set<std::uint64_t> seen;
            for (auto step = stream.next(); seen.insert(step.block.offset_bytes).second;
                 step = stream.next()) {
                CHECK(step.op == bio_op::write);
                CHECK(lengths.emplace(step.block.offset_bytes, step.block.length_bytes).second);
            }
        }
        CHECK(lengths.size() == 101);
        CHECK(lengths.begin()->second == 4096);
        CHECK(lengths.rbegin()->first == 100 * 4096);
        CHECK(lengths.rbegin()->second == 512);
    }
}

TEST_CASE("random blocks stay in the image, reach all of it, and mix reads and writes as asked") {
    constexpr std::uint64_t size = 20 * 12288 + 4096;
    const workload_options options{.read_percent = 70, .block_bytes = 12288, .seed = test::test_seed()};
    block_stream stream(options, size, 0, 0);
    std::set<std::uint64_t> seen;
    unsigned reads = 0;
    for (unsigned i = 0; i < 10'000; ++i) {
        const auto step = stream.next();
        CHECK(step.block.offset_bytes % 12288 == 0);
        CHECK(step.block.offset_bytes + step.block.length_bytes <= size);
        seen.insert(step.block.offset_bytes);
        reads += step.op == bio_op::read ? 1 : 0;
    }
    CHECK(seen.size() == 21);
    CHECK(reads > 6500);
    CHECK(reads < 7500);
}

TEST_CASE("a stream is the same for the same seed, job and round, and another for any other") {
    const workload_options options{.jobs = 2, .seed = 5};
    const auto offsets = [&](const workload_options& o, unsigned job, unsigned round) {
        block_stream stream(o, 1 << 30, job, round);
        std::vector<std::uint64_t> all;
        for (unsigned i = 0; i < 16; ++i)
            all.push_back(stream.next().block.offset_bytes);
        return all;
    };
    CHECK(offsets(options, 0, 0) == offsets(options, 0, 0));
    CHECK(offsets(options, 0, 0) != offsets(options, 1, 0));
    CHECK(offsets(options, 0, 0) != offsets(options, 0, 1));
    CHECK(offsets(options, 0, 0) != offsets({.jobs = 2, .seed = 6}, 0, 0));
}
