// SPDX-License-Identifier: Apache-2.0
// Work in all modes at once, through the fallback and through an engine, with fewer slots than modes: every
// slot changes its mode again and again.
#include "tests/dev/path.hpp"
#include "tests/inline_crypt/scattered_buffer.hpp"
#include "tests/support/test_cipher.hpp"

#include <algorithm>
#include <cerrno>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::size_t lane_bytes = 65536;
constexpr unsigned lanes_per_key = 2;
constexpr unsigned rounds = 12;

/// A stretch of the medium that belongs to one key.
struct lane {
    lane(const test_key& k, std::size_t number, random_source& random)
        : key(k), first(to_sectors_exact({number * lane_bytes})), first_dun(random_dun(random)),
          model(random_bytes(lane_bytes, random.next())) {}

    std::size_t unit_bytes() const { return key.key->config().unit_size.bytes(); }

    const test_key& key;
    sector first;
    dun first_dun;
    std::vector<std::byte> model; // the plaintext that is there
};

/// The same work for every path: keys of all modes, whose lanes are neighbours of other modes' lanes.
struct workload {
    workload() : random(test_seed() + 400) {
        for (const std::uint32_t unit_bytes : {4096U, 512U, 4096U})
            for (const crypto_mode mode : usable_modes())
                keys.emplace_back(random, unit_bytes, mode);
        for (std::size_t i = 0; i < lanes_per_key * keys.size(); ++i)
            lanes.emplace_back(keys[i % keys.size()], i, random);
    }

    void start(path& on) const {
        for (const auto& key : keys)
            on.start(*key.key);
    }

    /// What the reference makes of it.
    std::vector<std::byte> image() const {
        std::vector<std::byte> all(to_bytes(path::capacity).value);
        for (const auto& l : lanes)
            std::ranges::copy(reference_ciphertext(l.key, l.first_dun, l.model),
                              all.begin() + static_cast<std::ptrdiff_t>(to_bytes(l.first).value));
        return all;
    }

    random_source random;
    std::deque<test_key> keys;
    std::deque<lane> lanes;
};

/// A bio in a lane; of a write the lane's model is what is written.
struct lane_io final : bio_end_io {
    lane_io(bio_op op, lane& in, std::size_t offset_bytes, std::size_t size_bytes, random_source& random)
        : expected(bytes_view(in.model).subspan(offset_bytes, size_bytes)),
          memory(size_bytes, static_cast<std::uint32_t>(in.unit_bytes()), random) {
        request.prepare(op, sector{in.first.value + offset_bytes / 512}, memory.segments(), *this);
        dun first = in.first_dun;
        first += offset_bytes / in.unit_bytes();
        request.set_crypt_ctx(*in.key.key, first);
        if (op == bio_op::write)
            memory.write(expected);
    }
    void end_io(bio&) noexcept override { ++ends; }
    bool is_right() const {
        return ends == 1 && request.status == blk_status::ok && std::ranges::equal(memory.read(), expected);
    }

    bytes_view expected;
    scattered_buffer memory;
    bio request;
    unsigned ends = 0;
};

void run(path& on, std::deque<lane_io>& ios) {
    for (auto& io : ios)
        on.queue->submit(io.request);
    on.drain();
    CHECK(std::ranges::all_of(ios, &lane_io::is_right));
}

void run_over_whole_lanes(path& on, bio_op op, workload& work) {
    std::deque<lane_io> ios;
    for (auto& l : work.lanes)
        ios.emplace_back(op, l, 0, lane_bytes, work.random);
    run(on, ios);
}

/// One bio somewhere in each lane, in random order of lanes.
void run_round(path& on, workload& work) {
    std::deque<lane_io> ios;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < work.lanes.size(); ++i)
        order.insert(order.begin() + static_cast<std::ptrdiff_t>(work.random.below(i + 1)), i);
    for (const std::size_t i : order) {
        lane& l = work.lanes[i];
        const std::size_t units = lane_bytes / l.unit_bytes(), at = work.random.below(units);
        const std::size_t count = 1 + work.random.below(std::min<std::size_t>(units - at, 24));
        const bio_op op = work.random.below(3) == 0 ? bio_op::read : bio_op::write;
        if (op == bio_op::write)
            work.random.fill(bytes_span(l.model).subspan(at * l.unit_bytes(), count * l.unit_bytes()));
        ios.emplace_back(op, l, at * l.unit_bytes(), count * l.unit_bytes(), work.random);
    }
    run(on, ios);
}

bool holds(simulated_device& medium, bytes_view image) {
    return std::ranges::equal(medium.medium(), image);
}

constexpr auto shuffled = completion_order::shuffled;

const path_options few_slots[] = {
    {.name = "fallback, one slot", .engine_keyslots = {}, .fallback_keyslots = 1, .order = shuffled},
    {.name = "fallback, two slots", .engine_keyslots = {}, .fallback_keyslots = 2, .order = shuffled},
    {.name = "fallback, three slots, workers",
     .engine_keyslots = {},
     .fallback_keyslots = 3,
     .decrypt_workers = 2,
     .order = shuffled},
    {.name = "fallback, two slots, little memory",
     .engine_keyslots = {},
     .fallback_keyslots = 2,
     .queue = {.depth = 5, .bounce_bytes = 4096}},
    {.name = "engine, one slot", .engine_keyslots = 1, .order = shuffled},
    {.name = "engine, two slots", .engine_keyslots = 2, .queue = {.depth = 5, .bounce_bytes = 0}},
    {.name = "engine, three slots", .engine_keyslots = 3, .order = shuffled},
    {.name = "engine without slots", .engine_keyslots = 0, .order = shuffled},
};

} // namespace

TEST_CASE("work in all modes on few slots leaves what the reference says, by fallback and by engine") {
    for (const auto& options : few_slots) {
        CAPTURE(std::string(options.name));
        path on(options);
        workload work;
        work.start(on);
        run_over_whole_lanes(on, bio_op::write, work);
        CHECK(holds(on.medium, work.image()));
        for (unsigned round = 0; round < rounds; ++round)
            run_round(on, work);
        CHECK(holds(on.medium, work.image()));
        CHECK(on.medium.encrypted_requests() == 0);
    }
}

TEST_CASE("what one path wrote in all modes the other reads") {
    for (const auto& options : few_slots) {
        CAPTURE(std::string(options.name));
        path on(options);
        workload work;
        work.start(on);
        std::ranges::copy(work.image(), on.medium.medium().begin());
        run_over_whole_lanes(on, bio_op::read, work);
    }
}

TEST_CASE("with a slot for each key, keys of all modes are programmed once each") {
    for (const auto engine_keyslots : {std::optional<unsigned>(), std::optional<unsigned>(100)}) {
        path on({.name = "enough slots", .engine_keyslots = engine_keyslots, .order = shuffled});
        workload work;
        work.start(on);
        run_over_whole_lanes(on, bio_op::write, work);
        for (unsigned round = 0; round < rounds; ++round)
            run_round(on, work);
        const keyslot_counters use = on.queue->keyslot_use();
        CHECK(use.misses == work.keys.size());
        CHECK(use.evictions == 0);
        CHECK(use.hits != 0);
    }
}

TEST_CASE("an engine leaves out a mode that is missing, and takes the others") {
    for (const crypto_mode mode : usable_modes()) {
        CAPTURE(std::string(find_mode(mode)->name));
        const missing_mode nothing(mode);
        path on({.name = "engine, two slots", .engine_keyslots = 2, .order = shuffled});
        workload work;
        const test_key key(work.random, 4096, mode);
        CHECK_FALSE(config_supported_natively(*on.top, key.key->config()));
        CHECK(start_using_key(on.e, *on.top, on.fallback.get(), *key.key) == make_error(ENOPKG));
        for (const auto& other : work.keys)
            CHECK(config_supported_natively(*on.top, other.key->config()));
        work.start(on);
        run_over_whole_lanes(on, bio_op::write, work);
        run_over_whole_lanes(on, bio_op::read, work);
        CHECK(holds(on.medium, work.image()));
    }
}
