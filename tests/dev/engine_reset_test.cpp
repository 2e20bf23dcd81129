// SPDX-License-Identifier: Apache-2.0
// A controller that is reset loses the keys in its slots; what is in flight must not notice.
#include "tests/dev/engine_rig.hpp"
#include "tests/support/property.hpp"

#include <cerrno>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t unit_bytes = 4096;

/// A key that can be derived as often as it is allowed to.
struct fleeting_key final : key_request {
    fleeting_key(const test_key& key, unsigned times)
        : key_request(key.key->config()), source(*key.key), left(times) {}
    std::error_code derive(secret& into) const noexcept override {
        if (left == 0)
            return make_error(EIO);
        --left;
        return source.derive(into);
    }
    const crypto_key& source;
    mutable unsigned left;
};

} // namespace

TEST_CASE("after a reset every keyed slot is programmed again and bios in flight keep their keys" *
          PROPERTY(30)) {
    engine_rig rig(engine_with(3), completion_order::shuffled, {.depth = 8});
    std::deque<test_key> keys;
    for (int i = 0; i < 4; ++i)
        keys.emplace_back(rig.random);
    std::deque<std::vector<std::byte>> data;
    std::deque<keyed_io> writes;
    for (std::size_t i = 0; i < 60; ++i) {
        data.push_back(random_bytes(2 * unit_bytes, rig.random.next()));
        writes.emplace_back(bio_op::write, sector{i * 16}, data.back(), keys[i % keys.size()]);
        rig.queue->submit(writes.back().io.what);
        if (i % 5 == 0)
            rig.queue->poll();
        if (i % 7 == 0)
            CHECK_FALSE(rig.device->reset(rig.e));
    }
    rig.drain();
    for (std::size_t i = 0; i < writes.size(); ++i) {
        const sector at{i * 16};
        CHECK(writes[i].ended_with(blk_status::ok));
        const auto stored = rig.lower.medium(at, data[i].size());
        CHECK(std::ranges::equal(stored, ciphertext(keys[i % keys.size()], at, data[i])));
    }
    // An idle key too: it is in its slot, without another program.
    const std::uint64_t misses = rig.queue->keyslot_use().misses;
    const test_key& last = keys[(writes.size() - 1) % keys.size()];
    CHECK_FALSE(rig.device->reset(rig.e));
    auto again = random_bytes(unit_bytes, rig.random.next());
    keyed_io write(bio_op::write, sector{0}, again, last);
    CHECK(rig.ends_with(blk_status::ok, write));
    CHECK(std::ranges::equal(rig.lower.medium(sector{0}, unit_bytes), ciphertext(last, sector{0}, again)));
    CHECK(rig.queue->keyslot_use().misses == misses);
}

TEST_CASE(
    "a bio whose key cannot be programmed after a reset ends with ioerr and leaves nothing on the medium") {
    for (const bio_op op : {bio_op::write, bio_op::read}) {
        engine_rig rig(engine_with(2), completion_order::manual);
        const test_key good(rig.random), base(rig.random);
        const fleeting_key lost(base, 1);
        auto data = random_bytes(unit_bytes, rig.random.next());
        auto other = random_bytes(unit_bytes, rig.random.next());
        keyed_io first(op, sector{0}, data, lost), second(bio_op::write, sector{64}, other, good);
        rig.queue->submit(first.io.what);
        rig.queue->submit(second.io.what);
        rig.queue->poll(); // both have their slots, the engine has not run
        CHECK(rig.device->reset(rig.e) == make_error(EIO));
        const auto before = data;
        for (int polls = 0; polls < 100 && rig.queue->in_flight() != 0; ++polls) {
            rig.lower.complete_all_held();
            rig.queue->poll();
            rig.e.advance_clock(100'000);
        }
        CHECK(first.ended_with(blk_status::ioerr));
        CHECK(second.ended_with(blk_status::ok));
        CHECK(std::ranges::equal(rig.lower.medium(sector{64}, unit_bytes),
                                 ciphertext(good, sector{64}, other)));
        for (const std::byte b : rig.lower.medium(sector{0}, unit_bytes))
            REQUIRE(b == std::byte{0});
        if (op == bio_op::write)
            CHECK(data == before);
        CHECK_FALSE(rig.device->profile()->evict_key(rig.e, lost)); // no slot knows it any more
    }
}

TEST_CASE("evicting a key and resetting an engine take the time the profile says") {
    engine_profile profile = engine_with(1);
    profile.costs = {.program_ns = 10'000, .evict_ns = 3'000, .reset_ns = 700'000};
    engine_rig rig(profile, completion_order::as_submitted, {}, 0);
    const test_key key(rig.random);
    std::vector<std::byte> data(unit_bytes);
    const auto time_of_write = [&] {
        const std::uint64_t before = rig.e.now_ns();
        keyed_io write(bio_op::write, sector{0}, data, key);
        rig.queue->submit(write.io.what);
        while (rig.queue->in_flight() != 0)
            rig.queue->wait();
        REQUIRE(write.ended_with(blk_status::ok));
        return rig.e.now_ns() - before;
    };
    CHECK(time_of_write() == 10'000);
    CHECK(time_of_write() == 0);
    CHECK_FALSE(rig.device->profile()->evict_key(rig.e, *key.key));
    CHECK(time_of_write() == 3'000 + 10'000);
    CHECK_FALSE(rig.device->reset(rig.e));
    CHECK(time_of_write() == 700'000 + 10'000);
}
