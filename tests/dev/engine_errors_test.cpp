// SPDX-License-Identifier: Apache-2.0
// The engine above a device that fails sectors and ends bios in any order, on one thread under a virtual
// clock.
#include "tests/dev/engine_rig.hpp"

#include <algorithm>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t unit_bytes = 4096;
constexpr std::uint32_t unit_sectors = unit_bytes / sector_size_bytes;
constexpr std::uint32_t engine_bytes = 65536; // the least memory an engine's queue has

/// With one key more than there are slots.
struct failing_disk : engine_rig {
    explicit failing_disk(unsigned keyslots, completion_order order = completion_order::as_submitted)
        : engine_rig(engine_with(keyslots), order,
                     {.depth = 4, .io_size_bytes = unit_bytes, .bounce_bytes = 0}) {
        for (unsigned i = 0; i <= keyslots; ++i)
            keys.emplace_back(random);
    }

    /// All keys write and read in turn. A slot that was not put would park one of them for ever, memory that
    /// was not put would cut its write into pieces.
    bool works() {
        for (const test_key& key : keys) {
            const sector at{random.below(64) * unit_sectors};
            auto data = random_bytes(engine_bytes, random.next());
            keyed_io write(bio_op::write, at, data, key);
            if (!ends_with(blk_status::ok, write) || lower.requests().back().size_bytes != engine_bytes ||
                !std::ranges::equal(lower.medium(at, engine_bytes), ciphertext(key, at, data)))
                return false;
            std::vector<std::byte> back(engine_bytes);
            keyed_io read(bio_op::read, at, back, key);
            if (!ends_with(blk_status::ok, read) || back != data)
                return false;
        }
        return lower.encrypted_requests() == 0;
    }

    std::deque<test_key> keys;
};

} // namespace

TEST_CASE("a write that fails below the engine ends once with the device's status") {
    for (const blk_status status : {blk_status::ioerr, blk_status::nospc, blk_status::timeout}) {
        failing_disk disk(1);
        disk.lower.fail(bio_op::write, {8}, status);
        auto data = random_bytes(engine_bytes, test_seed());
        const auto before = data;
        for (const test_key& key : disk.keys) {
            keyed_io write(bio_op::write, {0}, data, key);
            CHECK(disk.ends_with(status, write));
        }
        CHECK(data == before);
        disk.lower.heal();
        CHECK(disk.works());
    }
}

TEST_CASE("a read that fails below the engine ends once and nothing is decrypted") {
    failing_disk disk(1);
    disk.lower.fail(bio_op::read, {8}, blk_status::medium);
    auto memory = random_bytes(engine_bytes, test_seed());
    const auto before = memory;
    for (const test_key& key : disk.keys) {
        keyed_io read(bio_op::read, {0}, memory, key);
        CHECK(disk.ends_with(blk_status::medium, read));
    }
    CHECK(memory == before);
    disk.lower.heal();
    CHECK(disk.works());
}

TEST_CASE("a write in pieces stops at the piece that fails, whichever it is") {
    constexpr unsigned pieces = 5;
    for (unsigned failing = 0; failing < pieces; ++failing) {
        CAPTURE(failing);
        failing_disk disk(1);
        disk.lower.fail(bio_op::write, to_sectors_exact({failing * engine_bytes + unit_bytes}),
                        blk_status::ioerr);
        auto data = random_bytes(pieces * engine_bytes, test_seed());
        keyed_io write(bio_op::write, {0}, data, disk.keys[0]);
        CHECK(disk.ends_with(blk_status::ioerr, write));
        CHECK(disk.lower.requests().size() == failing + 1);
        const std::size_t written = failing * engine_bytes;
        CHECK(std::ranges::equal(disk.lower.medium({0}, written),
                                 ciphertext(disk.keys[0], {0}, bytes_view(data).first(written))));
        disk.lower.heal();
        CHECK(disk.works());
    }
}

TEST_CASE("each piece of a write has its fua, the first alone has its preflush") {
    failing_disk disk(1);
    auto data = random_bytes(3 * engine_bytes, test_seed());
    keyed_io write(bio_op::write, {0}, data, disk.keys[0]);
    write.io.what.fua = true;
    write.io.what.preflush = true;
    CHECK(disk.ends_with(blk_status::ok, write));
    REQUIRE(disk.lower.requests().size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(disk.lower.requests()[i].fua);
        CHECK(disk.lower.requests()[i].preflush == (i == 0));
    }
}

// Each bio has a place of its own. Those with a bad sector fail, no others, whatever the order.
TEST_CASE("among bios that overtake each other exactly those with a bad sector fail") {
    constexpr unsigned count = 60, place_bytes = 8 * unit_bytes;
    for (const unsigned keyslots : {1U, 2U}) {
        CAPTURE(keyslots);
        failing_disk disk(keyslots, completion_order::shuffled);
        auto data = random_bytes(count * place_bytes, test_seed());
        const auto written = data;
        std::vector<bool> bad(count);
        for (const bio_op op : {bio_op::write, bio_op::read}) {
            disk.lower.heal();
            std::deque<keyed_io> ios;
            for (unsigned i = 0; i < count; ++i) {
                const sector at = to_sectors_exact({std::uint64_t{i} * place_bytes});
                const bytes_span place = bytes_span(data).subspan(i * place_bytes, place_bytes);
                bad[i] = disk.random.below(3) == 0;
                if (bad[i])
                    disk.lower.fail(op, {at.value + disk.random.below(64)}, blk_status::medium);
                const test_key& key = disk.keys[i % disk.keys.size()];
                ios.emplace_back(op, at, place, key);
                disk.queue->submit(ios.back().io.what);
            }
            disk.drain();
            for (unsigned i = 0; i < count; ++i) {
                CAPTURE(i);
                CHECK(ios[i].ended_with(bad[i] ? blk_status::medium : blk_status::ok));
            }
            // Those that failed are written again, so that the reads find something everywhere.
            disk.lower.heal();
            for (unsigned i = 0; i < count && op == bio_op::write; ++i) {
                const sector at = to_sectors_exact({std::uint64_t{i} * place_bytes});
                const bytes_span place = bytes_span(data).subspan(i * place_bytes, place_bytes);
                keyed_io again(op, at, place, disk.keys[i % disk.keys.size()]);
                if (bad[i])
                    CHECK(disk.ends_with(blk_status::ok, again));
                std::ranges::fill(place, std::byte{0});
            }
        }
        for (unsigned i = 0; i < count; ++i) {
            const bytes_view place = bytes_view(data).subspan(i * place_bytes, place_bytes);
            const bytes_view source = bytes_view(written).subspan(i * place_bytes, place_bytes);
            CHECK((bad[i] ? std::ranges::count(place, std::byte{0}) == place_bytes
                          : std::ranges::equal(place, source)));
        }
        CHECK(disk.works());
    }
}

TEST_CASE("a slot is held until the lower device has ended the bio, and then the next key has it") {
    failing_disk disk(1, completion_order::manual);
    auto first_data = random_bytes(unit_bytes, test_seed());
    auto second_data = random_bytes(unit_bytes, test_seed() + 1);
    keyed_io first(bio_op::write, {0}, first_data, disk.keys[0]);
    keyed_io second(bio_op::write, {8}, second_data, disk.keys[1]);
    const auto poll_often = [&] {
        for (int polls = 0; polls < 100; ++polls) {
            disk.queue->poll();
            disk.e.advance_clock(100'000);
        }
    };
    disk.lower.fail(bio_op::write, {0}, blk_status::ioerr);
    disk.queue->submit(first.io.what);
    disk.queue->submit(second.io.what);
    poll_often();
    CHECK(disk.lower.held() == 1);
    CHECK(first.io.ended + second.io.ended == 0);
    disk.lower.complete_all_held();
    poll_often();
    CHECK(first.ended_with(blk_status::ioerr));
    CHECK(second.io.ended == 0);
    CHECK(disk.lower.held() == 1);
    disk.lower.complete_all_held();
    poll_often();
    CHECK(second.ended_with(blk_status::ok));
    CHECK(std::ranges::equal(disk.lower.medium({8}, unit_bytes), ciphertext(disk.keys[1], {8}, second_data)));
}
