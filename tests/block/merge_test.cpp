// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/merge.hpp"
#include "tests/block/block_cases.hpp"

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

TEST_CASE("plain neighbours merge if operation and flags agree") {
    neighbours n;
    CHECK(can_back_merge(n.front, n.next));
    CHECK_FALSE(can_back_merge(n.next, n.front));
    n.next.op = bio_op::read;
    CHECK_FALSE(can_back_merge(n.front, n.next));
    n.next.op = bio_op::write;
    n.next.fua = true;
    CHECK_FALSE(can_back_merge(n.front, n.next));
    n.front.fua = true;
    CHECK(can_back_merge(n.front, n.next));
    n.next.preflush = true;
    CHECK_FALSE(can_back_merge(n.front, n.next));
}

TEST_CASE("bios that are not adjacent do not merge") {
    neighbours n;
    n.next.iter.start = sector{87};
    CHECK_FALSE(can_back_merge(n.front, n.next));
    n.next.iter.start = sector{89};
    CHECK_FALSE(can_back_merge(n.front, n.next));
}

TEST_CASE("encrypted neighbours merge with the same key and a DUN that goes on") {
    const auto key = make_key(512);
    neighbours n;
    n.front.set_crypt_ctx(*key, dun(20));
    CHECK_FALSE(can_back_merge(n.front, n.next)); // encrypted with plain
    n.next.set_crypt_ctx(*key, dun(28));
    CHECK(can_back_merge(n.front, n.next));
    n.next.set_crypt_ctx(*key, dun(27));
    CHECK_FALSE(can_back_merge(n.front, n.next));
    n.front.crypt = {};
    CHECK_FALSE(can_back_merge(n.front, n.next)); // plain with encrypted
}
