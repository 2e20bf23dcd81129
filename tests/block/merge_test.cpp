// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/merge.hpp"
#include "blkcrypto/block/request.hpp"
#include "tests/block/block_cases.hpp"
#include "tests/support/property.hpp"

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

// Two writes of a page each, the second right behind the first.
struct neighbours {
    neighbours() {
        front.prepare(bio_op::write, sector{80}, data.segments, told);
        next.prepare(bio_op::write, sector{88}, data.segments, told);
    }
    one_segment data{4096};
    // Whether the rules, and a request that does what they say, take the two together: from the back if
    // `front` is there first, else from the front.
    bool merge() {
        const bool mergeable = bio_mergeable(front, next);
        request back, before;
        back.begin(front);
        before.begin(next);
        CHECK(back.try_merge(next, UINT32_MAX) == mergeable);
        CHECK(before.try_merge(front, UINT32_MAX) == mergeable);
        return mergeable;
    }

    counting_end_io told;
    bio front, next;
};

} // namespace

TEST_CASE("contexts are compatible if both are absent or have the same key") {
    const auto key = make_key(512, 1);
    const auto other = make_key(512, 2);
    const bio_crypt_ctx none;
    CHECK(crypt_ctx_compatible(none, none));
    CHECK(crypt_ctx_compatible({key.get(), dun(1)}, {key.get(), dun(99)}));
    CHECK_FALSE(crypt_ctx_compatible({key.get(), dun(1)}, {other.get(), dun(1)}));
    CHECK_FALSE(crypt_ctx_compatible({key.get(), dun(1)}, none));
    CHECK_FALSE(crypt_ctx_compatible(none, {key.get(), dun(1)}));
}

TEST_CASE("keys with the same bytes are two keys and never merge") {
    const auto key = make_key(512, 1);
    const auto twin = make_key(512, 1);
    CHECK_FALSE(crypt_ctx_compatible({key.get(), dun(1)}, {twin.get(), dun(1)}));
    CHECK_FALSE(crypt_ctx_mergeable({key.get(), dun(1)}, 512, {twin.get(), dun(2)}));
}

TEST_CASE("contexts merge only if the DUN goes on") {
    const auto key = make_key(1024);
    const bio_crypt_ctx first{key.get(), dun(10)};
    CHECK(crypt_ctx_mergeable(first, 4096, {key.get(), dun(14)}));
    CHECK_FALSE(crypt_ctx_mergeable(first, 4096, {key.get(), dun(13)}));
    CHECK_FALSE(crypt_ctx_mergeable(first, 4096, {key.get(), dun(15)}));
    CHECK_FALSE(crypt_ctx_mergeable(first, 4096, {key.get(), dun(uint256(14, 0, 1, 0))}));
    CHECK(crypt_ctx_mergeable({}, 4096, {}));
}

TEST_CASE("contexts do not merge over the wrap of the DUN") {
    const auto key = make_key(4096);
    CHECK_FALSE(crypt_ctx_mergeable({key.get(), dun(greatest)}, 4096, {key.get(), dun(0)}));
    CHECK(crypt_ctx_mergeable({key.get(), dun(uint256(ones, ones, ones, 0))}, 4096,
                              {key.get(), dun(uint256(0, 0, 0, 1))}));
}

TEST_CASE("plain neighbours merge if the operation is the same and moves data, without flush or fua") {
    neighbours n;
    CHECK(n.merge());
    CHECK_FALSE(bio_mergeable(n.next, n.front));
    n.next.op = bio_op::read;
    CHECK_FALSE(n.merge());
    n.front.op = bio_op::read;
    CHECK(n.merge());
    for (bool* flag : {&n.front.fua, &n.front.preflush, &n.next.fua, &n.next.preflush}) {
        *flag = true;
        CHECK_FALSE(n.merge());
        *flag = false;
    }
    for (const bio_op op : {bio_op::discard, bio_op::write_zeroes, bio_op::flush}) {
        n.front.op = n.next.op = op;
        CHECK_FALSE(n.merge());
    }
}

TEST_CASE("bios that are not adjacent, or larger together than a bio can be, do not merge") {
    neighbours n;
    n.next.iter.start = sector{87};
    CHECK_FALSE(n.merge());
    n.next.iter.start = sector{89};
    CHECK_FALSE(n.merge());
    n.front.iter.size_bytes = UINT32_MAX - 4095;
    n.next.iter.start = sector{80 + (n.front.iter.size_bytes >> sector_bits)};
    CHECK_FALSE(bio_mergeable(n.front, n.next));
    n.next.iter.size_bytes = 3584;
    CHECK(bio_mergeable(n.front, n.next));
}

TEST_CASE("bios merge only with the same key pointer and a DUN that goes on, equal keys never" *
          PROPERTY(8)) {
    const auto key = make_key(512, 1);
    const auto twin = make_key(512, 1);
    neighbours n;
    n.front.set_crypt_ctx(*key, dun(20));
    n.next.set_crypt_ctx(*key, dun(28));
    CHECK(n.merge());
    for (const std::uint64_t other : {20U, 27U, 29U}) {
        n.next.set_crypt_ctx(*key, dun(other));
        CHECK_FALSE(n.merge());
    }
    n.next.set_crypt_ctx(*twin, dun(28));
    CHECK_FALSE(n.merge());
}

TEST_CASE("plain and encrypted never merge, whichever comes first" * PROPERTY(9)) {
    const auto key = make_key(512);
    neighbours n;
    n.front.set_crypt_ctx(*key, dun(20));
    CHECK_FALSE(n.merge());
    n.front.crypt = {};
    n.next.set_crypt_ctx(*key, dun(28));
    CHECK_FALSE(n.merge());
}

TEST_CASE("a front merge adopts the DUN of the bio, a back merge keeps that of the request" * PROPERTY(10)) {
    const auto key = make_key(512);
    neighbours n;
    n.front.set_crypt_ctx(*key, dun(20));
    n.next.set_crypt_ctx(*key, dun(28));
    request back, front;
    back.begin(n.front);
    REQUIRE(back.try_merge(n.next, UINT32_MAX));
    front.begin(n.next);
    REQUIRE(front.try_merge(n.front, UINT32_MAX));
    for (const request* merged : {&back, &front}) {
        const bio& whole = merged->whole();
        CHECK(merged->is_merged());
        CHECK(whole.iter.start == sector{80});
        CHECK(whole.iter.size_bytes == 8192);
        CHECK(whole.crypt.key == key.get());
        CHECK(whole.crypt.first_dun == dun(20));
    }
}
