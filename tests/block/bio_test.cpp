// SPDX-License-Identifier: Apache-2.0
#include "tests/block/block_cases.hpp"
#include "tests/support/property.hpp"

#include <algorithm>
#include <cerrno>
#include <numeric>

using namespace blkcrypto;
using namespace blkcrypto::test;

TEST_CASE("prepare makes a plain I/O of all segments and forgets what was before") {
    const auto key = make_key(512);
    std::vector<std::byte> memory(3072);
    const std::vector<bio_vec> segments{{memory.data(), 1024}, {memory.data() + 1024, 2048}};
    counting_end_io told;
    bio_stamps stamps;
    bio b;
    b.fua = b.preflush = b.nounmap = true;
    b.status = blk_status::ioerr;
    b.set_crypt_ctx(*key, dun(4));
    b.stamps = &stamps;
    b.prepare(bio_op::write, sector{7}, segments, told);
    CHECK(b.op == bio_op::write);
    CHECK_FALSE(b.fua);
    CHECK_FALSE(b.preflush);
    CHECK_FALSE(b.nounmap);
    CHECK(b.status == blk_status::ok);
    CHECK(b.iter.start == sector{7});
    CHECK(b.iter.size_bytes == 3072);
    CHECK(b.has_data());
    CHECK_FALSE(b.crypt);
    CHECK(b.stamps == nullptr);
    CHECK(b.observer == &told);
}

TEST_CASE("an advance moves sectors and memory and DUN together") {
    const auto key = make_key(1024);
    one_segment data(8192);
    counting_end_io told;
    bio b;
    b.prepare(bio_op::read, sector{10}, data.segments, told);
    b.set_crypt_ctx(*key, dun(ones));
    b.advance(3072);
    CHECK(b.iter.start == sector{16});
    CHECK(b.iter.size_bytes == 5120);
    CHECK(b.crypt.first_dun == dun(uint256(2, 1, 0, 0)));
    CHECK(b.iter.current(b.segments).data == data.memory.data() + 3072);
}

TEST_CASE("a context moved on by some units is one made with that DUN, in one step or in several" *
          PROPERTY(3)) {
    random_source random(test_seed());
    for (const std::uint32_t unit_bytes : {512U, 4096U, 65536U}) {
        const auto key = make_key(unit_bytes);
        for (int i = 0; i < 500; ++i) {
            const dun first(uint256(ones - random.below(4), ones, random.next(), random.next()));
            const std::uint64_t here = random.below(8), there = random.below(8);
            bio_crypt_ctx at_once{key.get(), first}, in_steps{key.get(), first};
            dun expected = first;
            expected += here + there;
            at_once.advance((here + there) * unit_bytes);
            in_steps.advance(here * unit_bytes);
            in_steps.advance(there * unit_bytes);
            CHECK(at_once.first_dun == expected);
            CHECK(in_steps.first_dun == expected);
        }
    }
}

TEST_CASE("a context drops what is less than a data unit") {
    const auto key = make_key(4096);
    bio_crypt_ctx context{key.get(), dun(1)};
    context.advance(4095);
    CHECK(context.first_dun == dun(1));
    context.advance(8191);
    CHECK(context.first_dun == dun(2));
}

TEST_CASE("a clone is the same I/O with an observer of its own") {
    const auto key = make_key(512);
    one_segment data(4096);
    counting_end_io told, told_of_clone;
    bio_stamps stamps;
    bio original, clone;
    original.prepare(bio_op::write, sector{3}, data.segments, told);
    original.fua = original.preflush = original.nounmap = true;
    original.stamps = &stamps;
    original.set_crypt_ctx(*key, dun(9));
    original.advance(512);
    original.status = blk_status::medium;
    clone.clone_from(original, told_of_clone);
    CHECK(clone.op == bio_op::write);
    CHECK(clone.fua);
    CHECK(clone.preflush);
    CHECK(clone.nounmap);
    CHECK(clone.status == blk_status::ok);
    CHECK(clone.iter.start == sector{4});
    CHECK(clone.iter.size_bytes == 3584);
    CHECK(clone.iter.done_bytes == 512);
    CHECK(clone.segments.data() == original.segments.data());
    CHECK(clone.crypt.key == key.get());
    CHECK(clone.crypt.first_dun == dun(10));
    CHECK(clone.stamps == &stamps);
    clone.end();
    CHECK(told_of_clone.ends == 1);
    CHECK(told.ends == 0);
}

TEST_CASE("a split cuts off the front and leaves the rest with the DUN that follows") {
    const auto key = make_key(1024);
    one_segment data(8192);
    counting_end_io told, told_of_front;
    bio rest, front;
    rest.prepare(bio_op::write, sector{100}, data.segments, told);
    rest.set_crypt_ctx(*key, dun(50));
    REQUIRE_FALSE(rest.split(3072, front, told_of_front));
    CHECK(front.iter.start == sector{100});
    CHECK(front.iter.size_bytes == 3072);
    CHECK(front.crypt.first_dun == dun(50));
    CHECK(front.observer == &told_of_front);
    CHECK(rest.iter.start == sector{106});
    CHECK(rest.iter.size_bytes == 5120);
    CHECK(rest.crypt.first_dun == dun(53));
    CHECK(rest.observer == &told);
    CHECK(front.iter.current(front.segments).length_bytes == 3072);
}

TEST_CASE("a split within a data unit or with nothing on one side is refused") {
    const auto key = make_key(1024);
    one_segment data(4096);
    counting_end_io told;
    bio b, front;
    b.prepare(bio_op::write, sector{0}, data.segments, told);
    for (const std::uint32_t bytes : {0U, 1U, 511U, 513U, 4096U, 4608U, 8192U})
        CHECK(b.split(bytes, front, told) == make_error(EINVAL));
    CHECK_FALSE(b.split(512, front, told));
    b.prepare(bio_op::write, sector{0}, data.segments, told);
    b.set_crypt_ctx(*key, dun(5));
    for (const std::uint32_t bytes : {0U, 512U, 1536U, 4096U})
        CHECK(b.split(bytes, front, told) == make_error(EINVAL));
    CHECK(b.iter.size_bytes == 4096);
    CHECK(b.crypt.first_dun == dun(5));
    CHECK_FALSE(b.split(1024, front, told));
}

TEST_CASE("the first error of a bio stays") {
    bio b;
    b.set_status(blk_status::ok);
    CHECK(b.status == blk_status::ok);
    b.set_status(blk_status::nospc);
    b.set_status(blk_status::ioerr);
    b.set_status(blk_status::ok);
    CHECK(b.status == blk_status::nospc);
}

TEST_CASE("a chain ends its bio once and only after all pieces") {
    counting_end_io told;
    one_segment data(4096);
    bio parent, first, second, third;
    bio_chain chain;
    parent.prepare(bio_op::write, sector{0}, data.segments, told);
    chain.begin(parent, 3);
    for (bio* piece : {&first, &second, &third})
        piece->clone_from(parent, chain);
    first.end();
    third.end();
    CHECK(told.ends == 0);
    second.end();
    CHECK(told.ends == 1);
    CHECK(told.last == &parent);
    CHECK(told.status == blk_status::ok);
}

TEST_CASE("the first error among the pieces of a chain wins") {
    counting_end_io told;
    bio parent, pieces[3];
    bio_chain chain;
    parent.prepare(bio_op::write, sector{0}, {}, told);
    chain.begin(parent, 3);
    for (auto& piece : pieces)
        piece.clone_from(parent, chain);
    pieces[1].status = blk_status::medium;
    pieces[2].status = blk_status::timeout;
    pieces[0].end();
    pieces[2].end();
    pieces[1].end();
    CHECK(told.ends == 1);
    CHECK(told.status == blk_status::timeout);
}

TEST_CASE("a list gives bios back in the order they came") {
    bio bios[3];
    bio_list list;
    CHECK(list.empty());
    CHECK(list.pop() == nullptr);
    for (int round = 0; round < 2; ++round) {
        for (auto& b : bios)
            list.push(b);
        for (auto& b : bios)
            CHECK(list.pop() == &b);
        CHECK(list.empty());
        CHECK(list.pop() == nullptr);
    }
}

TEST_CASE("the parts of the stamps add up to the whole") {
    random_source random(test_seed());
    bio_stamps stamps;
    const std::uint64_t begin = random.next() >> 1;
    std::uint64_t now = begin;
    stamps.begin(now);
    for (int i = 0; i < 50; ++i) {
        now += random.below(1000);
        stamps.enter(static_cast<bio_stage>(random.below(bio_stage_count - 1)), now);
    }
    now += 10;
    stamps.enter(bio_stage::done, now);
    const auto sum = std::accumulate(stamps.spent_ns.begin(), stamps.spent_ns.end(), std::uint64_t{0});
    CHECK(sum == now - begin);
}

TEST_CASE("time belongs to the stage entered last") {
    bio_stamps stamps;
    stamps.begin(1000);
    stamps.enter(bio_stage::cipher, 1010);
    stamps.enter(bio_stage::storage, 1030);
    stamps.enter(bio_stage::cipher, 1100);
    stamps.enter(bio_stage::done, 1105);
    CHECK(stamps.spent_ns[static_cast<std::size_t>(bio_stage::queued)] == 10);
    CHECK(stamps.spent_ns[static_cast<std::size_t>(bio_stage::cipher)] == 25);
    CHECK(stamps.spent_ns[static_cast<std::size_t>(bio_stage::storage)] == 70);
    stamps.begin(2000);
    CHECK(std::ranges::count(stamps.spent_ns, 0U) == static_cast<std::ptrdiff_t>(bio_stage_count));
}
