// SPDX-License-Identifier: Apache-2.0
// Bios that cut data units, above the fallback and above an engine: what is in them, what lies beside them,
// and what other bios see meanwhile.
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/dev/range_lock_device.hpp"
#include "tests/dev/conformance.hpp"
#include "tests/dev/path.hpp"
#include "tests/support/allocation_counter.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t sectors = path::capacity.value;
constexpr std::uint64_t first_unit_dun = 5;
const path_options over_fallback{.name = "fallback", .engine_keyslots = {}};
const path_options over_engine{.name = "engine", .engine_keyslots = 2};

path_options with_order(path_options options, completion_order order) {
    options.order = order;
    return options;
}

std::size_t bytes_of(std::uint64_t count) {
    return count * sector_size_bytes;
}

/// The device with its range locks, on a stack of its own; the key is started through it.
struct locked_path {
    explicit locked_path(const path_options& below, std::uint32_t unit_bytes = 4096,
                         const queue_options& options = {.depth = 8})
        : lower(below), random(test_seed() + 7), key(random, unit_bytes),
          device(*make_range_lock_device(*lower.top, lower.fallback.get(), lower.e)),
          queue(*device->make_queue(lower.e, options)) {
        REQUIRE_FALSE(start_using_key(lower.e, *device, nullptr, *key.key));
    }

    std::uint64_t unit_sectors() const { return key.key->config().unit_size.bytes() / sector_size_bytes; }

    void set_context(bio& b) const {
        b.set_crypt_ctx(*key.key, dun(b.iter.start.value / unit_sectors() + first_unit_dun));
    }

    blk_status run(bio_op op, std::uint64_t first, bytes_span memory) {
        test_io io(op, {first}, {segment_of(memory)});
        set_context(io.what);
        queue->submit(io.what);
        drain();
        return io.ended == 1 ? io.what.status : blk_status::timeout;
    }

    void drain() { REQUIRE(test::drain(*queue, lower.e)); }

    /// The medium holds this, encrypted, from its start.
    bool holds(bytes_view plain) {
        return std::ranges::equal(lower.medium.medium({0}, plain.size()),
                                  reference_ciphertext(key, dun(first_unit_dun), plain));
    }

    path lower;
    random_source random;
    test_key key;
    std::unique_ptr<block_device> device;
    std::unique_ptr<block_queue> queue;
};

/// Memory in one segment, or in two that meet where no whole unit is cut.
std::vector<bio_vec> random_segments(bytes_span memory, std::uint64_t first, std::uint64_t unit_bytes,
                                     random_source& random) {
    const std::uint64_t begin = bytes_of(first), end = begin + memory.size();
    const std::uint64_t at = begin + bytes_of(random.below(memory.size() / sector_size_bytes));
    const bool in_cut_head = at < (begin + unit_bytes - 1) / unit_bytes * unit_bytes;
    const bool in_cut_tail = at >= end / unit_bytes * unit_bytes;
    if (at == begin || !(in_cut_head || in_cut_tail || at % std::min<std::uint64_t>(unit_bytes, 4096) == 0))
        return {segment_of(memory)};
    return {segment_of(memory.first(at - begin)), segment_of(memory.subspan(at - begin))};
}

/// What a bio of the model test does.
struct modelled_io {
    modelled_io(locked_path& on, std::uint64_t first, std::uint64_t count) : begin(bytes_of(first)) {
        constexpr std::array ops{bio_op::read, bio_op::write, bio_op::write, bio_op::write_zeroes};
        memory = random_bytes(bytes_of(count), on.random.next());
        const bio_op op = ops.at(on.random.below(ops.size()));
        io.segments = random_segments(memory, first, on.key.key->config().unit_size.bytes(), on.random);
        if (op == bio_op::write_zeroes)
            io.what.prepare_range(op, {first}, static_cast<std::uint32_t>(memory.size()), io);
        else
            io.what.prepare(op, {first}, io.segments, io);
        on.set_context(io.what);
        io.what.fua = op == bio_op::write && on.random.below(4) == 0;
        io.what.preflush = op == bio_op::write && on.random.below(4) == 0;
    }
    /// True if it did what it should; a write is put into the model.
    bool ended_well(std::vector<std::byte>& model) {
        if (io.ended != 1 || io.what.status != blk_status::ok)
            return false;
        const bytes_span place = bytes_span(model).subspan(begin, memory.size());
        if (io.what.op == bio_op::read)
            return std::ranges::equal(memory, place);
        if (io.what.op == bio_op::write_zeroes)
            std::ranges::fill(memory, std::byte{0});
        std::ranges::copy(memory, place.begin());
        return true;
    }
    std::size_t begin;
    std::vector<std::byte> memory;
    test_io io;
};

/// Bios that follow each other, so that they share units and no sectors, all in flight together.
void run_neighbours(locked_path& on, std::vector<std::byte>& model, int rounds) {
    for (int round = 0; round < rounds; ++round) {
        std::deque<modelled_io> ios;
        std::uint64_t at = on.random.below(64);
        const std::uint64_t longest = on.random.below(2) == 0 ? on.unit_sectors() : 3 * on.unit_sectors();
        for (int i = 0; i < 24 && at < sectors; ++i) {
            const std::uint64_t count = std::min(1 + on.random.below(longest), sectors - at);
            ios.emplace_back(on, at, count);
            at += count;
        }
        for (auto& io : ios)
            on.queue->submit(io.io.what);
        on.drain();
        for (auto& io : ios)
            REQUIRE(io.ended_well(model));
        REQUIRE(on.queue->pools_are_whole());
    }
}

} // namespace

// --- data ---

TEST_CASE("bios that cut units agree with a model and leave the reference's ciphertext, both ways") {
    for (const auto& below : {over_fallback, over_engine})
        for (const auto order : {completion_order::shuffled, completion_order::timed})
            for (std::uint32_t unit_bytes = 512; unit_bytes <= 65536; unit_bytes *= 2)
                for (const unsigned depth : {1U, 32U}) {
                    CAPTURE(below.name);
                    CAPTURE(unit_bytes);
                    locked_path on(with_order(below, order), unit_bytes, {.depth = depth});
                    std::vector<std::byte> model = random_bytes(bytes_of(sectors), test_seed());
                    REQUIRE(on.run(bio_op::write, 0, model) == blk_status::ok);
                    run_neighbours(on, model, 8);
                    CHECK(on.holds(model));
                }
}

TEST_CASE("a bio within one unit, at its beginning, in it, at its end and over its end") {
    for (const auto& below : {over_fallback, over_engine}) {
        locked_path on(below);
        std::vector<std::byte> model = random_bytes(bytes_of(64), test_seed());
        REQUIRE(on.run(bio_op::write, 0, model) == blk_status::ok);
        struct range {
            std::uint64_t first, count;
        };
        for (const auto& [first, count] :
             {range{8, 1}, range{10, 3}, range{12, 4}, range{15, 2}, range{15, 9}, range{16, 9}, range{15, 1},
              range{17, 7}, range{13, 30}}) {
            auto data = random_bytes(bytes_of(count), test_seed() + first);
            CHECK(on.run(bio_op::write, first, data) == blk_status::ok);
            std::ranges::copy(data, &model[bytes_of(first)]);
            CHECK(on.holds(model));
            std::vector<std::byte> back(data.size());
            CHECK(on.run(bio_op::read, first, back) == blk_status::ok);
            CHECK(back == data);
        }
    }
}

TEST_CASE("what is not cut goes down as it is, plain bios and whole units alike") {
    locked_path on(over_fallback);
    std::vector<std::byte> data(8192);
    CHECK(on.run(bio_op::write, 8, data) == blk_status::ok);
    CHECK(run(*on.queue, bio_op::write, {1}, {segment_of(bytes_span(data).first(512))}) == blk_status::ok);
    CHECK(run(*on.queue, bio_op::flush, {0}, {}) == blk_status::ok);
    REQUIRE(on.lower.medium.requests().size() == 3);
    CHECK(on.lower.medium.requests()[0].size_bytes == 8192);
    CHECK(on.lower.medium.requests()[1].start == sector{1});
    CHECK(on.lower.medium.requests()[2].op == bio_op::flush);
}

// --- what it takes ---

TEST_CASE("the limits say that units may be cut, and a device on top does not inherit it") {
    locked_path on(over_engine);
    CHECK(on.device->limits().cut_data_units);
    CHECK(!on.lower.top->limits().cut_data_units);
    CHECK(on.device->describe() == "range locks on " + on.lower.top->describe());
    queue_limits above;
    above.intersect(on.device->limits());
    CHECK(!above.cut_data_units);
}

TEST_CASE("segments that cut whole units end with the status of misaligned bios and move nothing") {
    for (const auto& generation : {kernel_7_0, kernel_6_1}) {
        locked_path on(over_fallback, 4096, {.kernel = generation});
        std::vector<std::byte> data(bytes_of(40));
        test_io io(bio_op::write, {1}, cut(data, 4));
        on.set_context(io.what);
        on.queue->submit(io.what);
        on.drain();
        CHECK(io.what.status == generation.misaligned);
        CHECK(on.lower.medium.requests().empty());
    }
}

TEST_CASE("a unit that is not all there ends with ioerr and is not written") {
    simulated_env e(test_seed());
    simulated_device medium({19}, completion_order::shuffled, test_seed());
    const auto fallback = *crypto_fallback::make(e, *make_keyslot_tfms(e, 4, 1), {});
    const auto device = *make_range_lock_device(medium, fallback.get(), e);
    const auto queue = *device->make_queue(e, {});
    random_source random(test_seed());
    const test_key key(random);
    REQUIRE_FALSE(start_using_key(e, *device, nullptr, *key.key));
    std::vector<std::byte> data(bytes_of(9));
    for (const bio_op op : {bio_op::read, bio_op::write}) {
        keyed_io io(op, {9}, data, key);
        CHECK(run(*queue, io.io) == blk_status::ioerr);
    }
    CHECK(std::ranges::count(medium.requests(), bio_op::write, &device_request::op) == 0);
}

TEST_CASE("over neither an engine nor a fallback contexts end with notsupp") {
    simulated_env e(test_seed());
    simulated_device medium({64}, completion_order::as_submitted, test_seed());
    const auto device = *make_range_lock_device(medium, nullptr, e);
    CHECK(device->native_crypto() == nullptr);
    const auto queue = *device->make_queue(e, {});
    random_source random(test_seed());
    const test_key key(random);
    std::vector<std::byte> data(4096);
    keyed_io io(bio_op::write, {8}, data, key);
    CHECK(run(*queue, io.io) == blk_status::notsupp);
    CHECK(run(*queue, bio_op::write, {8}, {segment_of(data)}) == blk_status::ok);
}

TEST_CASE("keys are started and evicted through it, wherever they are used") {
    for (const auto& below : {over_fallback, over_engine}) {
        locked_path on(below); // starts the key
        auto data = random_bytes(512, test_seed());
        CHECK(on.run(bio_op::write, 3, data) == blk_status::ok);
        CHECK_FALSE(evict_key(on.lower.e, *on.device, nullptr, *on.key.key));
        CHECK(config_supported_natively(*on.device, on.key.key->config()));
    }
    locked_path on(with_order(over_fallback, completion_order::manual), 4096, {.depth = 4});
    random_source random(test_seed());
    const test_key sm4(random, 4096, crypto_mode::sm4_xts);
    CHECK(start_using_key(on.lower.e, *on.device, nullptr, *sm4.key) ==
          start_using_key(on.lower.e, on.lower.medium, on.lower.fallback.get(), *sm4.key));
}

// --- order and stability ---

namespace {

/// A write with a head, a middle and a tail that wants all there is, on a device that holds what it is given.
struct stable_write {
    stable_write()
        : on(with_order(over_fallback, completion_order::manual)),
          data(random_bytes(bytes_of(20), test_seed())), io(bio_op::write, {5}, {segment_of(data)}) {
        on.set_context(io.what);
        io.what.preflush = io.what.fua = true;
    }
    void settle() {
        for (int i = 0; i < 8; ++i)
            on.queue->poll();
    }
    locked_path on;
    std::vector<std::byte> data;
    test_io io;
};

} // namespace

TEST_CASE("preflush comes before any piece of a write that is cut, fua is on each") {
    stable_write write;
    const auto& requests = write.on.lower.medium.requests();
    write.on.queue->submit(write.io.what);
    write.settle();
    REQUIRE(requests.size() == 3);
    CHECK(std::ranges::count(requests, bio_op::flush, &device_request::op) == 1);
    REQUIRE(requests[0].op == bio_op::flush);
    write.on.lower.medium.complete_held(1);
    write.on.lower.medium.complete_held(1);
    write.settle();
    CHECK(requests.size() == 3); // the flush has not ended
    write.on.lower.medium.complete_held();
    write.settle();
    CHECK(requests.size() > 3);
    for (std::size_t i = 3; i < requests.size(); ++i) {
        CHECK(requests[i].op == bio_op::write);
        CHECK(requests[i].fua);
        CHECK(!requests[i].preflush);
    }
    while (write.on.lower.medium.held() != 0) {
        CHECK(write.io.ended == 0);
        write.on.lower.medium.complete_held();
        write.settle();
    }
    CHECK(write.io.ended == 1);
    CHECK(write.io.what.status == blk_status::ok);
}

// --- failures ---

namespace {

/// The operation of that number fails.
struct failing_step final : device_faults {
    explicit failing_step(unsigned which) : number(which) {}
    std::optional<device_fault> fault_of(const bio& b) noexcept override {
        if (seen++ != number)
            return {};
        failed_op = b.op;
        return device_fault{blk_status::medium, data_moved::none};
    }
    const unsigned number;
    unsigned seen = 0;
    std::optional<bio_op> failed_op;
};

} // namespace

TEST_CASE(
    "whichever step fails, the bio ends with its error, and nothing is written that could not be read") {
    for (const auto& below : {over_fallback, over_engine})
        for (const bio_op op : {bio_op::write, bio_op::read}) {
            bool failed = true;
            for (unsigned number = 0; failed; ++number) {
                CAPTURE(number);
                locked_path on(with_order(below, completion_order::shuffled), 4096, {.nomerges = true});
                std::vector<std::byte> before = random_bytes(bytes_of(32), test_seed());
                REQUIRE(on.run(bio_op::write, 0, before) == blk_status::ok);
                failing_step step(number);
                on.lower.medium.set_faults(&step);
                auto data = random_bytes(bytes_of(20), test_seed() + 1);
                test_io io(op, {5}, {segment_of(data)});
                on.set_context(io.what);
                io.what.preflush = io.what.fua = op == bio_op::write;
                on.queue->submit(io.what);
                on.drain();
                on.lower.medium.set_faults(nullptr);
                failed = step.failed_op.has_value();
                CHECK(io.ended == 1);
                CHECK(io.what.status == (failed ? blk_status::medium : blk_status::ok));
                if (failed && step.failed_op != bio_op::write)
                    CHECK(on.holds(before));
                CHECK(on.queue->pools_are_whole());
                CHECK(on.run(bio_op::write, 5, data) == blk_status::ok); // the range is free
                std::ranges::copy(data, &before[bytes_of(5)]);
                CHECK(on.holds(before));
            }
        }
}

// --- atomicity ---

namespace {

struct planned_write {
    std::uint64_t first;
    std::uint64_t count;
};

/// Writes in flight together, on two queues, on a device whose every completion is chosen.
class raced_writes {
  public:
    raced_writes(const path_options& below, std::vector<planned_write> plan)
        : on_(with_order(below, completion_order::manual), 4096, unmerged),
          second_(*on_.device->make_queue(on_.lower.e, unmerged)),
          before_(random_bytes(bytes_of(24), test_seed())), plan_(std::move(plan)) {
        test_io initial(bio_op::write, {0}, {segment_of(before_)});
        on_.set_context(initial.what);
        on_.queue->submit(initial.what);
        complete_in_order([](std::size_t) { return 0U; });
        REQUIRE(initial.what.status == blk_status::ok);
        for (std::size_t i = 0; i < plan_.size(); ++i) {
            data_.push_back(random_bytes(bytes_of(plan_[i].count), test_seed() + i + 1));
            ios_.emplace_back(bio_op::write, sector{plan_[i].first}, std::vector{segment_of(data_.back())});
            on_.set_context(ios_.back().what);
        }
    }

    void run(const std::function<std::size_t(std::size_t)>& choose) {
        for (std::size_t i = 0; i < ios_.size(); ++i)
            (i % 2 == 0 ? *on_.queue : *second_).submit(ios_[i].what);
        complete_in_order(choose);
        for (const auto& io : ios_)
            REQUIRE((io.ended == 1 && io.what.status == blk_status::ok));
    }

    bool is_serial() {
        std::vector<std::size_t> order(plan_.size());
        for (std::size_t i = 0; i < order.size(); ++i)
            order[i] = i;
        do {
            auto after = before_;
            for (const std::size_t i : order)
                std::ranges::copy(data_[i], &after[bytes_of(plan_[i].first)]);
            if (on_.holds(after))
                return true;
        } while (std::ranges::next_permutation(order).found);
        return false;
    }

  private:
    static inline const queue_options unmerged{.depth = 4, .bounce_bytes = 128 << 10, .nomerges = true};

    void complete_in_order(const std::function<std::size_t(std::size_t)>& choose) {
        for (;;) {
            for (int i = 0; i < 6; ++i) {
                on_.queue->poll();
                second_->poll();
                on_.lower.e.advance_clock(1'000'000);
            }
            if (on_.lower.medium.held() == 0)
                break;
            on_.lower.medium.complete_held(choose(on_.lower.medium.held()));
        }
        REQUIRE(on_.queue->in_flight() + second_->in_flight() == 0);
    }

    locked_path on_;
    std::unique_ptr<block_queue> second_;
    std::vector<std::byte> before_;
    std::vector<planned_write> plan_;
    std::deque<std::vector<std::byte>> data_;
    std::deque<test_io> ios_;
};

/// Every sequence of choices, depth first: the next one after `choices`, given how many there were each time.
bool advance_choices(std::vector<std::size_t>& choices, const std::vector<std::size_t>& counts) {
    choices.resize(counts.size());
    while (!choices.empty() && choices.back() + 1 == counts[choices.size() - 1])
        choices.pop_back();
    if (choices.empty())
        return false;
    ++choices.back();
    return true;
}

unsigned race_in_every_order(const path_options& below, const std::vector<planned_write>& plan) {
    unsigned orders = 0;
    std::vector<std::size_t> choices, counts;
    do {
        raced_writes race(below, plan);
        counts.clear();
        race.run([&](std::size_t count) {
            counts.push_back(count);
            return counts.size() <= choices.size() ? choices[counts.size() - 1] : 0;
        });
        ++orders;
        REQUIRE(race.is_serial());
    } while (advance_choices(choices, counts));
    return orders;
}

} // namespace

TEST_CASE("writes that cut the same unit leave what a serial order leaves, however they complete") {
    const std::vector<std::vector<planned_write>> plans{{{1, 3}, {2, 4}},
                                                        {{1, 3}, {4, 2}, {0, 8}},
                                                        {{0, 8}, {0, 16}, {1, 3}, {12, 2}},
                                                        {{4, 8}, {10, 6}, {8, 8}}};
    for (const auto& below : {over_fallback, over_engine})
        for (auto plan : plans) {
            unsigned orders = 0;
            const auto by_place = [](const planned_write& a, const planned_write& b) {
                return a.first < b.first || (a.first == b.first && a.count < b.count);
            };
            std::ranges::sort(plan, by_place);
            do
                orders += race_in_every_order(below, plan);
            while (std::ranges::next_permutation(plan, by_place).found);
            MESSAGE(plan.size(), " writes end in ", orders, " orders");
            CHECK(orders >= (plan.size() == 2 ? 2 : 6));
        }
}

TEST_CASE("reads that cut a unit never see it half written") {
    for (const auto& below : {over_fallback, over_engine}) {
        CAPTURE(below.name);
        locked_path on(with_order(below, completion_order::shuffled));
        std::vector<std::byte> model = random_bytes(bytes_of(8), test_seed());
        REQUIRE(on.run(bio_op::write, 0, model) == blk_status::ok);
        for (int round = 0; round < 50; ++round) {
            auto data = random_bytes(bytes_of(2), on.random.next());
            std::vector<std::byte> back(bytes_of(3));
            test_io write(bio_op::write, {2}, {segment_of(data)}),
                read(bio_op::read, {4}, {segment_of(back)});
            on.set_context(write.what);
            on.set_context(read.what);
            on.queue->submit(write.what);
            on.queue->submit(read.what);
            on.drain();
            std::ranges::copy(data, &model[bytes_of(2)]);
            CHECK(std::equal(back.begin(), back.end(), &model[bytes_of(4)]));
        }
    }
}

TEST_CASE("a cut read waits for a write that cuts its unit, whole units pass each other") {
    locked_path on(with_order(over_fallback, completion_order::manual));
    std::vector<std::byte> data(bytes_of(8)), back(bytes_of(1));
    const auto settle = [&] {
        for (int i = 0; i < 6; ++i)
            on.queue->poll();
    };
    test_io first(bio_op::write, {0}, {segment_of(data)}), second(bio_op::write, {0}, {segment_of(data)});
    test_io whole_read(bio_op::read, {0}, {segment_of(data)});
    test_io cut_write(bio_op::write, {3}, {segment_of(back)}),
        cut_read(bio_op::read, {6}, {segment_of(back)});
    for (test_io* io : {&first, &second, &whole_read, &cut_write, &cut_read}) {
        on.set_context(io->what);
        on.queue->submit(io->what);
        settle();
    }
    CHECK(on.lower.medium.held() == 3);
    while (on.lower.medium.held() != 0) {
        on.lower.medium.complete_held();
        settle();
        CHECK((cut_read.ended == 0 || cut_write.ended == 1));
    }
    CHECK(on.queue->in_flight() == 0);
}

// --- threads, memory ---

TEST_CASE("threads write their sectors of shared units, and none is lost") {
    constexpr std::uint64_t units = 4, unit_sectors = 8;
    const auto env_here = *thread_env::make();
    const auto memory = *make_memory_device({units * unit_sectors});
    const auto fallback = *crypto_fallback::make(*env_here, *make_keyslot_tfms(*env_here, 4, 2), {});
    const auto device = *make_range_lock_device(*memory, fallback.get(), *env_here);
    random_source random(test_seed());
    const test_key key(random);
    REQUIRE_FALSE(start_using_key(*env_here, *device, nullptr, *key.key));
    const auto io_at = [&](test_io& io, std::uint64_t at) -> test_io& {
        io.what.set_crypt_ctx(*key.key, dun(at / unit_sectors));
        return io;
    };
    {
        const auto queue = *device->make_queue(*env_here, {});
        std::vector<std::byte> zeros(bytes_of(units * unit_sectors));
        test_io io(bio_op::write, {0}, {segment_of(zeros)});
        REQUIRE(run(*queue, io_at(io, 0)) == blk_status::ok);
    }
    std::array<bool, 3> right{true, true, true};
    const auto work = [&](unsigned number) {
        const auto e = *thread_env::make();
        const auto queue = *device->make_queue(*e, {.depth = 4});
        random_source mine(test_seed() + number);
        std::vector<std::byte> model(bytes_of(units * unit_sectors));
        for (int round = 0; round < 1500; ++round) {
            const std::uint64_t at = mine.below(units * unit_sectors / 3) * 3 + number;
            const bytes_span place = bytes_span(model).subspan(bytes_of(at), sector_size_bytes);
            std::vector<std::byte> back(sector_size_bytes);
            test_io read(bio_op::read, {at}, {segment_of(back)}),
                write(bio_op::write, {at}, {segment_of(place)});
            right[number] = right[number] && run(*queue, io_at(read, at)) == blk_status::ok &&
                            std::ranges::equal(back, place);
            mine.fill(place);
            right[number] = right[number] && run(*queue, io_at(write, at)) == blk_status::ok;
        }
    };
    {
        std::vector<std::jthread> threads;
        for (unsigned number = 0; number < 3; ++number)
            threads.emplace_back(work, number);
    }
    CHECK(right == std::array<bool, 3>{true, true, true});
}

TEST_CASE("nothing is allocated where units are cut, beyond the depth either") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    for (const auto& below : {over_fallback, over_engine}) {
        locked_path on(below);
        std::deque<test_io> ios;
        std::vector<std::byte> data(bytes_of(64 * 3));
        for (std::uint64_t i = 0; i < 64; ++i) {
            ios.emplace_back(i % 3 == 0 ? bio_op::read : bio_op::write, sector{i * 3},
                             std::vector{segment_of(bytes_span(data).subspan(bytes_of(i * 3), bytes_of(3)))});
            on.set_context(ios.back().what);
        }
        const allocation_counter allocations;
        for (auto& io : ios)
            on.queue->submit(io.what);
        while (on.queue->in_flight() != 0)
            if (on.queue->poll() == 0)
                on.lower.e.advance_clock(1000);
        CHECK(allocations.count() == 0);
        CHECK(on.queue->pools_are_whole());
    }
}
