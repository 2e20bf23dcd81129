// SPDX-License-Identifier: Apache-2.0
// Conformance: discard and write_zeroes, which name a range and bring no memory.
#include "tests/dev/conformance.hpp"

#include <algorithm>
#include <array>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t sectors = subject_capacity.value;

struct range {
    std::uint64_t first;
    std::uint64_t length;
};

/// The first sector, the last, some in the middle that begin and end anywhere, and all of them.
constexpr std::array ranges{range{0, 1},  range{sectors - 1, 1}, range{30, 63},
                            range{64, 8}, range{99, 2001},       range{0, sectors}};

std::uint32_t bytes_of(std::uint64_t count) {
    return static_cast<std::uint32_t>(count * sector_size_bytes);
}

bytes_span part(std::vector<std::byte>& whole, const range& r) {
    return bytes_span(whole).subspan(bytes_of(r.first), bytes_of(r.length));
}

} // namespace

TEST_CASE("zeroes are read back as zeros, and the sectors beside them are untouched") {
    for (const subject& what : to_try()) {
        opened_subject on(what);
        std::vector<std::byte> model(bytes_of(sectors));
        for (const range& r : ranges) {
            CAPTURE(what.name);
            CAPTURE(r.first);
            fill(model, r.first);
            REQUIRE(run(*on.queue, bio_op::write, {0}, {segment_of(model)}) == blk_status::ok);
            CHECK(run_range(*on.queue, bio_op::write_zeroes, {r.first}, bytes_of(r.length)) ==
                  blk_status::ok);
            std::ranges::fill(part(model, r), std::byte{0});
            CHECK(holds(what, *on.queue, {0}, model));
        }
    }
}

TEST_CASE("a discard leaves the sectors beside it alone, and what it discarded can be written again") {
    for (const subject& what : to_try()) {
        opened_subject on(what);
        if (!on.device->limits().discard)
            continue;
        std::vector<std::byte> model(bytes_of(sectors));
        for (const range& r : ranges) {
            CAPTURE(what.name);
            CAPTURE(r.first);
            const range before{0, r.first}, behind{r.first + r.length, sectors - r.first - r.length};
            fill(model, r.first);
            REQUIRE(run(*on.queue, bio_op::write, {0}, {segment_of(model)}) == blk_status::ok);
            CHECK(run_range(*on.queue, bio_op::discard, {r.first}, bytes_of(r.length)) == blk_status::ok);
            CHECK(holds(what, *on.queue, {before.first}, part(model, before)));
            CHECK(holds(what, *on.queue, {behind.first}, part(model, behind)));
            CHECK(survives(what, *on.queue, {r.first}, part(model, r)));
        }
    }
}

TEST_CASE("a device that takes no discards ends them with notsupp, and the queue goes on") {
    for (const subject& what : to_try()) {
        CAPTURE(what.name);
        opened_subject on(what);
        if (on.device->limits().discard)
            continue;
        std::vector<std::byte> data(4096);
        fill(data, 9);
        REQUIRE(survives(what, *on.queue, {8}, data));
        CHECK(run_range(*on.queue, bio_op::discard, {8}, 4096) == blk_status::notsupp);
        CHECK(holds(what, *on.queue, {8}, data));
    }
}
