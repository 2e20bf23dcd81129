// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/request.hpp"
#include "tests/block/block_cases.hpp"
#include "tests/support/simulated_env.hpp"

#include <array>
#include <deque>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t page_bytes = 4096;
constexpr std::uint32_t any_size = UINT32_MAX;

// Writes of one page each, at places the test chooses, in memory that shows which is which.
struct pages {
    bio& at(std::uint64_t page, bio_op op = bio_op::write) {
        memory.emplace_back(page_bytes);
        bio& b = bios.emplace_back();
        b.prepare(op, sector{page * 8}, memory.back().segments, told);
        return b;
    }
    std::deque<one_segment> memory;
    std::deque<bio> bios;
    counting_end_io told;
};

std::vector<const bio*> parts_of(request& r) {
    std::vector<const bio*> parts;
    r.take_parts(0, [&](bio& part, bool) { parts.push_back(&part); });
    return parts;
}

plug make_plug(env& e, std::uint32_t bytes_max = any_size) {
    return {e, {bytes_max}};
}

} // namespace

TEST_CASE("a request of one bio is that bio, whatever it asks for") {
    pages p;
    bio& flush = p.at(0);
    flush.prepare(bio_op::flush, {}, {}, p.told);
    request r;
    r.begin(flush);
    CHECK(&r.whole() == &flush);
    CHECK_FALSE(r.is_merged());
    unsigned told = 0;
    r.take_parts(0, [&](bio& part, bool moved) {
        CHECK(&part == &flush);
        CHECK_FALSE(moved); // there was nothing to move
        ++told;
    });
    CHECK(told == 1);
}

TEST_CASE("parts come in their order on the device, whatever the order they came in") {
    pages p;
    bio &c = p.at(12), &b = p.at(11), &d = p.at(13), &a = p.at(10);
    request r;
    r.begin(c);
    for (bio* next : {&b, &d, &a})
        REQUIRE(r.try_merge(*next, any_size));
    const bio& whole = r.whole();
    CHECK(whole.op == bio_op::write);
    CHECK(whole.iter.start == sector{80});
    CHECK(whole.iter.size_bytes == 4 * page_bytes);
    REQUIRE(whole.segments.size() == 4);
    unsigned place = 0;
    for (const bio* part : {&a, &b, &c, &d})
        CHECK(whole.segments[place++].data == part->segments[0].data);
    CHECK(parts_of(r) == std::vector<const bio*>{&a, &b, &c, &d});
}

TEST_CASE("a part is well if all of it was moved, and no other is") {
    for (const std::uint32_t moved_bytes : {0U, 512U, 4095U, 4096U, 8191U, 8192U, 12288U}) {
        pages p;
        request r;
        r.begin(p.at(0));
        REQUIRE(r.try_merge(p.at(1), any_size));
        REQUIRE(r.try_merge(p.at(2), any_size));
        unsigned moved_parts = 0, parts = 0;
        r.take_parts(moved_bytes, [&](bio&, bool moved) {
            CHECK(moved == (parts < moved_bytes / page_bytes));
            moved_parts += moved ? 1 : 0;
            ++parts;
        });
        CHECK(parts == 3);
        CHECK(moved_parts == moved_bytes / page_bytes);
    }
}

TEST_CASE("what is left of a bio that was cut is what merges of it") {
    pages p;
    one_segment three(3 * page_bytes);
    bio &whole = p.at(0), &front = p.bios.emplace_back();
    const std::vector<bio_vec> segments{{three.memory.data(), 8192}, {three.memory.data() + 8192, 4096}};
    whole.prepare(bio_op::write, sector{0}, segments, p.told);
    REQUIRE_FALSE(whole.split(page_bytes, front, p.told));
    request r;
    r.begin(whole); // the second half of the first segment, and the second
    REQUIRE(r.try_merge(front, any_size));
    REQUIRE(r.try_merge(p.at(3), any_size));
    REQUIRE(r.whole().segments.size() == 4);
    CHECK(r.whole().segments[0].data == three.memory.data());
    CHECK(r.whole().segments[0].length_bytes == page_bytes);
    CHECK(r.whole().segments[1].data == three.memory.data() + page_bytes);
    CHECK(r.whole().segments[1].length_bytes == page_bytes);
    CHECK(r.whole().iter.size_bytes == 4 * page_bytes);
    CHECK(parts_of(r).size() == 3);
}

TEST_CASE("a merge that would make a request too large changes nothing") {
    pages p;
    request r;
    r.begin(p.at(0));
    CHECK_FALSE(r.try_merge(p.at(1), 2 * page_bytes - 1));
    CHECK_FALSE(r.is_merged());
    REQUIRE(r.try_merge(p.at(1), 2 * page_bytes));
    CHECK_FALSE(r.try_merge(p.at(2), 2 * page_bytes));
    CHECK(r.whole().iter.size_bytes == 2 * page_bytes);
    CHECK(parts_of(r).size() == 2);
}

TEST_CASE("a request has no more segments than it has room for") {
    pages p;
    request r;
    r.begin(p.at(0));
    for (unsigned page = 1; page < request::segments_max; ++page)
        REQUIRE(r.try_merge(p.at(page), any_size));
    CHECK_FALSE(r.try_merge(p.at(request::segments_max), any_size));
    CHECK(r.whole().segments.size() == request::segments_max);
    CHECK(parts_of(r).size() == request::segments_max);
}

TEST_CASE("all parts that bring stamps get the stages of their request") {
    simulated_env e(test_seed());
    pages p;
    bio_stamps early, late;
    bio &first = p.at(0), &without = p.at(1), &last = p.at(2);
    first.stamps = &early;
    last.stamps = &late;
    for (const bool stamped_first : {true, false}) {
        early.begin(e.now_ns());
        late.begin(e.now_ns());
        request r;
        r.begin(stamped_first ? first : without);
        REQUIRE(r.try_merge(stamped_first ? without : first, any_size));
        REQUIRE(r.try_merge(last, any_size));
        r.enter_stage(bio_stage::cipher, e);
        CHECK(r.stamps() == &early);
        CHECK(early.stage == bio_stage::cipher);
        CHECK(late.stage == bio_stage::cipher);
        parts_of(r);
    }
}

TEST_CASE("a plug hands requests out in the order they came, and keeps the thread awake until then") {
    simulated_env e(test_seed());
    auto gathered = make_plug(e);
    pages p;
    std::array<request, 6> requests;
    CHECK(gathered.empty());
    for (unsigned i = 0; i < requests.size(); ++i) {
        requests[i].begin(p.at(100 - 10 * i));
        gathered.add(requests[i]);
    }
    for (auto& r : requests) {
        CHECK(e.has_due());
        CHECK(gathered.take() == &r);
    }
    CHECK_FALSE(e.has_due());
    CHECK(gathered.take() == nullptr);
}

TEST_CASE("four streams side by side merge, a fifth starts requests of its own") {
    simulated_env e(test_seed());
    for (const unsigned streams : {4U, 5U}) {
        auto gathered = make_plug(e);
        pages p;
        std::deque<request> requests;
        for (unsigned page = 0; page < 3; ++page)
            for (unsigned stream = 0; stream < streams; ++stream) {
                bio& b = p.at(100 * stream + page);
                if (gathered.try_merge(b))
                    continue;
                requests.emplace_back().begin(b);
                gathered.add(requests.back());
            }
        CHECK(requests.size() == (streams == 4 ? 4 : 15));
        while (gathered.take() != nullptr) {
        }
    }
}

TEST_CASE(
    "what has left the plug takes no more bios in, what is left does, and a plug told so never merges") {
    simulated_env e(test_seed());
    pages p;
    request r, later;
    r.begin(p.at(0));
    later.begin(p.at(50));
    {
        auto gathered = make_plug(e);
        gathered.add(r);
        gathered.add(later);
        REQUIRE(gathered.take() == &r);
        CHECK_FALSE(gathered.try_merge(p.at(1)));
        CHECK(gathered.try_merge(p.at(51)));
        REQUIRE(gathered.take() == &later);
        CHECK_FALSE(gathered.try_merge(p.at(52)));
    }
    plug apart(e, {any_size, true});
    apart.add(r);
    CHECK_FALSE(apart.try_merge(p.at(1)));
    REQUIRE(apart.take() == &r);
}
