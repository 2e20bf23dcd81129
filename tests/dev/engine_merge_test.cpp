// SPDX-License-Identifier: Apache-2.0
// Merging in front of the engine: neighbours with the same key and DUNs that go on are one command.
#include "tests/dev/engine_rig.hpp"

#include <algorithm>
#include <array>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t unit_bytes = 4096;
constexpr unsigned pages = 6;

sector place_of(unsigned page) {
    return sector{page * 8ULL};
}

// Neighbouring pages, in memory of their own, whose DUNs go on when counted in units.
struct neighbours {
    explicit neighbours(random_source& random) {
        for (auto& bytes : data)
            bytes = random_bytes(unit_bytes, random.next());
    }
    keyed_io& add(bio_op op, unsigned page, const test_key& key) {
        keyed_io& io = ios.emplace_back(op, place_of(page), data[page], key);
        io.io.what.set_crypt_ctx(*key.key, dun(page));
        return io;
    }
    bool all_end_with(blk_status expected) const {
        return std::ranges::all_of(ios, [&](const keyed_io& io) { return io.ended_with(expected); });
    }
    std::array<std::vector<std::byte>, pages> data;
    std::deque<keyed_io> ios;
};

std::vector<std::byte> ciphertext_of(const test_key& key, unsigned page, bytes_view data) {
    return reference_ciphertext(key.bytes, dun(page), key.key->config().unit_size, data);
}

} // namespace

TEST_CASE("neighbours under one key are one command and one bio below, with the ciphertext of each") {
    for (const char* const name : {"generic", "samsung-fmp"}) {
        engine_rig rig(*find_engine_profile(name));
        const test_key key(rig.random);
        neighbours n(rig.random);
        for (const unsigned page : {3U, 4U, 2U, 1U, 5U, 0U})
            rig.queue->submit(n.add(bio_op::write, page, key).io.what);
        rig.drain();
        CHECK(n.all_end_with(blk_status::ok));
        REQUIRE(rig.lower.requests().size() == 1);
        CHECK(rig.lower.requests()[0].size_bytes == pages * unit_bytes);
        for (unsigned page = 0; page < pages; ++page)
            CHECK(std::ranges::equal(rig.lower.medium(place_of(page), unit_bytes),
                                     ciphertext_of(key, page, n.data[page])));
        const auto written = n.data;
        n.ios.clear();
        for (auto& bytes : n.data)
            std::ranges::fill(bytes, std::byte{0});
        for (const unsigned page : {1U, 0U, 2U, 3U, 5U, 4U})
            rig.queue->submit(n.add(bio_op::read, page, key).io.what);
        rig.drain();
        CHECK(n.all_end_with(blk_status::ok));
        CHECK(n.data == written);
        const keyslot_counters use = rig.queue->keyslot_use();
        // One for the writes; for the reads two, as the last page but one came late.
        CHECK(use.hits + use.misses == (rig.device->profile()->num_slots() == 0 ? 0 : 3));
    }
}

TEST_CASE("before the engine plain neighbours and those with another key or DUN stay apart") {
    engine_rig rig(engine_with(4));
    const test_key key(rig.random), other(rig.random);
    neighbours n(rig.random);
    n.add(bio_op::write, 0, key);
    n.add(bio_op::write, 1, other);
    n.add(bio_op::write, 2, key).io.what.crypt = {};
    n.add(bio_op::write, 3, key);
    n.add(bio_op::write, 4, key).io.what.set_crypt_ctx(*key.key, dun(400));
    for (auto& io : n.ios)
        rig.queue->submit(io.io.what);
    rig.drain();
    CHECK(n.all_end_with(blk_status::ok));
    CHECK(rig.lower.requests().size() == 5);
    CHECK(std::ranges::equal(rig.lower.medium(place_of(2), unit_bytes), n.data[2]));
    CHECK(std::ranges::equal(rig.lower.medium(place_of(4), unit_bytes), ciphertext_of(key, 400, n.data[4])));
}

TEST_CASE("when a merged command fails all its parts do, and the slot comes back") {
    engine_rig rig(engine_with(1));
    const test_key key(rig.random), other(rig.random);
    neighbours n(rig.random);
    rig.lower.fail(bio_op::write, place_of(1), blk_status::medium);
    for (unsigned page = 0; page < 3; ++page)
        rig.queue->submit(n.add(bio_op::write, page, key).io.what);
    rig.queue->submit(n.add(bio_op::write, 4, other).io.what);
    rig.drain();
    for (unsigned i = 0; i < 3; ++i)
        CHECK(n.ios[i].ended_with(blk_status::medium));
    CHECK(n.ios[3].ended_with(blk_status::ok));
    CHECK(rig.queue->pools_are_whole());
    CHECK_FALSE(rig.device->profile()->evict_key(rig.e, *key.key));
}
