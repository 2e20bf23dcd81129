// SPDX-License-Identifier: Apache-2.0
// Where a linear device sends bios, in how many pieces, and when the source ends. Over simulated devices, on
// one thread under a virtual clock.
#include "blkcrypto/dev/linear_device.hpp"
#include "blkcrypto/dev/null_device.hpp"
#include "tests/dev/test_io.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t lower_sectors = 256;
constexpr std::uint64_t first_end = 40, second_end = 100, sectors = 164;

/// Sectors 0-39 are those of b from 100 on, 40-99 those of a from 8 on, 100-163 those of b from 0 on.
struct linear_disk {
    explicit linear_disk(completion_order order, unsigned depth = 8)
        : e(test_seed()), a({lower_sectors}, order, test_seed() + 1),
          b({lower_sectors}, order, test_seed() + 2),
          device(*make_linear_device({{&b, {100}, {first_end}},
                                      {&a, {8}, {second_end - first_end}},
                                      {&b, {0}, {sectors - second_end}}},
                                     e)),
          queue(*device->make_queue(e, {.depth = depth})) {}

    /// The bytes that should be behind a sector of the linear device.
    bytes_span medium_of(std::uint64_t at) {
        if (at < first_end)
            return b.medium({100 + at}, sector_size_bytes);
        if (at < second_end)
            return a.medium({8 + at - first_end}, sector_size_bytes);
        return b.medium({at - second_end}, sector_size_bytes);
    }
    std::vector<std::byte> everything() {
        std::vector<std::byte> all;
        for (std::uint64_t at = 0; at < sectors; ++at)
            all.insert(all.end(), medium_of(at).begin(), medium_of(at).end());
        return all;
    }
    std::size_t requests() const { return a.requests().size() + b.requests().size(); }

    simulated_env e;
    simulated_device a, b;
    std::unique_ptr<block_device> device;
    std::unique_ptr<block_queue> queue;
};

bool is(const device_request& request, bio_op op, std::uint64_t start, std::uint64_t length) {
    return request.op == op && request.start.value == start &&
           request.size_bytes == length * sector_size_bytes;
}

blk_status run_range(block_queue& queue, bio_op op, std::uint64_t first, std::uint64_t length) {
    test_io io;
    io.what.prepare_range(op, {first}, static_cast<std::uint32_t>(length * sector_size_bytes), io);
    return run(queue, io);
}

int error_of(const std::vector<linear_target>& targets) {
    simulated_env e(test_seed());
    return make_linear_device(targets, e).error().value();
}

/// A lower device with a logical block size of its own, whose queues take memory and call it 7.
class picky_device final : public block_device {
  public:
    explicit picky_device(std::uint32_t logical_block_size_bytes)
        : limits_{.logical_block_size_bytes = logical_block_size_bytes} {}
    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return {lower_sectors}; }
    std::string describe() const override { return "picky"; }
    result<std::unique_ptr<block_queue>> make_queue(env& e, const queue_options& options) override {
        return std::make_unique<picky_queue>(*this, e, options);
    }

  private:
    struct picky_queue final : block_queue {
        picky_queue(const block_device& d, env& e, const queue_options& o) : block_queue(d, e, o) {}
        buffer_id register_buffer(bytes_span) noexcept override { return 7; }
        void do_submit(bio& b) noexcept override { complete(b, blk_status::ok); }
        void do_poll() noexcept override {}
    };
    const queue_limits limits_;
};

} // namespace

// --- what it is ---

TEST_CASE("targets that are no stretch of their lower device are refused") {
    simulated_device a({lower_sectors}, completion_order::as_submitted, 1);
    picky_device blocks(4096);
    const auto endless = make_null_device({UINT64_MAX});
    CHECK(error_of({}) == EINVAL);
    CHECK(error_of({{&a, {0}, {0}}}) == EINVAL);
    CHECK(error_of({{&a, {0}, {8}}, {&a, {8}, {0}}}) == EINVAL);
    CHECK(error_of({{&a, {0}, {lower_sectors + 1}}}) == EINVAL);
    CHECK(error_of({{&a, {1}, {lower_sectors}}}) == EINVAL);
    CHECK(error_of({{&a, {lower_sectors}, {1}}}) == EINVAL);
    CHECK(error_of({{&a, {UINT64_MAX}, {2}}}) == EINVAL);
    CHECK(error_of({{&a, {2}, {UINT64_MAX}}}) == EINVAL);
    CHECK(error_of({{endless.get(), {0}, {UINT64_MAX}}}) == EINVAL);
    CHECK(error_of({{endless.get(), {0}, {UINT64_MAX >> 9}}, {&a, {0}, {1}}}) == EINVAL);
    CHECK(error_of({{&blocks, {0}, {9}}}) == EINVAL);
    CHECK(error_of({{&blocks, {4}, {8}}}) == EINVAL);
    CHECK(error_of({{&a, {1}, {8}}, {&blocks, {0}, {8}}}) == EINVAL); // a's sectors count in blocks too
    CHECK(error_of({{&a, {8}, {8}}, {&blocks, {0}, {8}}}) == 0);
    CHECK(error_of({{endless.get(), {0}, {UINT64_MAX >> 9}}}) == 0);
}

TEST_CASE("capacity is the sum of the targets, limits are what suits all lower devices") {
    simulated_env e(test_seed());
    simulated_device a({lower_sectors}, completion_order::as_submitted, 1);
    a.set_discard(false);
    picky_device blocks(4096);
    const auto both = *make_linear_device({{&a, {8}, {16}}, {&blocks, {0}, {24}}, {&a, {0}, {8}}}, e);
    CHECK(both->capacity() == sector{48});
    CHECK(both->limits().logical_block_size_bytes == 4096);
    CHECK(both->limits().volatile_cache);
    CHECK(!both->limits().discard);
    CHECK(both->describe() == "linear, 3 targets on simulated and picky");
    CHECK(!(*make_linear_device({{&blocks, {0}, {24}}}, e))->limits().volatile_cache);
}

TEST_CASE("a buffer can be registered where there is one lower queue that gets it") {
    simulated_env e(test_seed());
    picky_device first(512), second(512);
    std::vector<std::byte> memory(4096);
    const auto one = *make_linear_device({{&first, {0}, {8}}, {&first, {64}, {8}}}, e);
    CHECK((*one->make_queue(e, {}))->register_buffer(memory) == 7);
    const auto two = *make_linear_device({{&first, {0}, {8}}, {&second, {0}, {8}}}, e);
    CHECK((*two->make_queue(e, {}))->register_buffer(memory) == unregistered_buffer);
}

// --- pieces ---

TEST_CASE("a bio goes to its lower device with the sector remapped, cut where it crosses a boundary") {
    linear_disk disk(completion_order::as_submitted);
    auto data = random_bytes(sectors * sector_size_bytes, test_seed());
    const bytes_span one = bytes_span(data).subspan(45 * sector_size_bytes, 4 * sector_size_bytes);
    CHECK(run(*disk.queue, bio_op::write, {45}, {segment_of(one)}) == blk_status::ok);
    REQUIRE(disk.requests() == 1);
    CHECK(is(disk.a.requests()[0], bio_op::write, 13, 4));

    CHECK(run(*disk.queue, bio_op::write, {0}, {segment_of(data)}) == blk_status::ok);
    REQUIRE(disk.requests() == 4);
    CHECK(is(disk.b.requests()[0], bio_op::write, 100, first_end));
    CHECK(is(disk.a.requests()[1], bio_op::write, 8, second_end - first_end));
    CHECK(is(disk.b.requests()[1], bio_op::write, 0, sectors - second_end));
    CHECK(disk.everything() == data);

    std::vector<std::byte> back(data.size());
    CHECK(run(*disk.queue, bio_op::read, {0}, {segment_of(back)}) == blk_status::ok);
    CHECK(back == data);
}

TEST_CASE("pieces touch neither what lies beside them on a lower device nor each other's memory") {
    linear_disk disk(completion_order::shuffled);
    for (simulated_device* lower : {&disk.a, &disk.b})
        std::ranges::fill(lower->medium(), std::byte{0xee});
    auto data = random_bytes(30 * sector_size_bytes, test_seed());
    std::vector<bio_vec> segments; // none of which ends where a target does
    for (std::size_t at = 0; at < 30; at += 15)
        segments.push_back(
            segment_of(bytes_span(data).subspan(at * sector_size_bytes, 15 * sector_size_bytes)));
    CHECK(run(*disk.queue, bio_op::write, {30}, segments) == blk_status::ok);
    const auto all = disk.everything();
    CHECK(std::equal(data.begin(), data.end(), &all[30 * sector_size_bytes]));
    const auto untouched = [](bytes_view m) { return std::ranges::count(m, std::byte{0xee}); };
    CHECK(untouched(disk.a.medium()) + untouched(disk.b.medium()) ==
          (2 * static_cast<std::ptrdiff_t>(lower_sectors) - 30) * sector_size_bytes + untouched(data));
}

TEST_CASE("discards and zeroes are cut as data is") {
    for (const bio_op op : {bio_op::discard, bio_op::write_zeroes}) {
        linear_disk disk(completion_order::shuffled);
        auto data = random_bytes(sectors * sector_size_bytes, test_seed());
        CHECK(run(*disk.queue, bio_op::write, {0}, {segment_of(data)}) == blk_status::ok);
        CHECK(run_range(*disk.queue, op, 39, 63) == blk_status::ok);
        CHECK(is(disk.a.requests().back(), op, 8, 60));
        CHECK(disk.b.requests().size() == 4);
        std::fill_n(&data[39 * sector_size_bytes], 63 * sector_size_bytes, std::byte{0});
        CHECK(disk.everything() == data);
    }
}

TEST_CASE("the source ends once, after all its pieces, with the first error among them") {
    for (const std::size_t first : {0U, 1U, 2U})
        for (const std::size_t second : {0U, 1U}) {
            linear_disk disk(completion_order::manual);
            disk.b.fail(bio_op::write, {120}, blk_status::nospc); // the first piece
            disk.b.fail(bio_op::write, {3}, blk_status::timeout); // the last piece
            auto data = random_bytes(sectors * sector_size_bytes, test_seed());
            test_io io(bio_op::write, {0}, {segment_of(data)});
            disk.queue->submit(io.what);
            std::deque<unsigned> pieces{0, 1, 2};
            std::vector<blk_status> ends{blk_status::nospc, blk_status::ok, blk_status::timeout};
            blk_status expected = blk_status::ok;
            for (const std::size_t n : {first, second, std::size_t{0}}) {
                CHECK(disk.queue->poll() == 0);
                const unsigned piece = pieces[n];
                pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(n));
                if (expected == blk_status::ok)
                    expected = ends[piece];
                const bool is_earlier_on_b = piece == 2 && std::ranges::find(pieces, 0U) != pieces.end();
                piece == 1 ? disk.a.complete_held() : disk.b.complete_held(is_earlier_on_b ? 1 : 0);
            }
            CHECK(disk.queue->poll() == 1);
            CHECK(io.ended == 1);
            CHECK(io.what.status == expected);
        }
}

TEST_CASE("fua goes down with each piece") {
    linear_disk disk(completion_order::as_submitted);
    std::vector<std::byte> data(sectors * sector_size_bytes);
    test_io io(bio_op::write, {0}, {segment_of(data)});
    io.what.fua = true;
    CHECK(run(*disk.queue, io) == blk_status::ok);
    CHECK(disk.requests() == 3);
    for (const simulated_device* lower : {&disk.a, &disk.b})
        CHECK(std::ranges::all_of(lower->requests(), &device_request::fua));
}

TEST_CASE("a bio's time adds up, whether it was cut or not") {
    linear_disk disk(completion_order::timed);
    std::vector<std::byte> data(8 * sector_size_bytes);
    for (const std::uint64_t at : {std::uint64_t{0}, first_end - 4}) {
        bio_stamps stamps;
        test_io io(bio_op::write, {at}, {segment_of(data)});
        io.what.stamps = &stamps;
        const std::uint64_t begin_ns = disk.e.now_ns();
        stamps.begin(begin_ns);
        CHECK(run(*disk.queue, io) == blk_status::ok);
        std::uint64_t sum = 0;
        for (const std::uint64_t spent : stamps.spent_ns)
            sum += spent;
        CHECK(stamps.stage == bio_stage::done);
        CHECK(sum == stamps.entered_ns - begin_ns);
        CHECK(stamps.spent_ns[static_cast<std::size_t>(bio_stage::storage)] == sum);
    }
}

// --- flushes ---

TEST_CASE("a flush goes to each lower device once and ends after all of them") {
    for (const bio_op op : {bio_op::flush, bio_op::write}) {
        linear_disk disk(completion_order::manual);
        test_io flush(op, {0}, {});
        flush.what.preflush = op == bio_op::write;
        disk.queue->submit(flush.what);
        CHECK((disk.a.held() == 1 && disk.b.held() == 1));
        disk.b.complete_all_held();
        CHECK(disk.queue->poll() == 0);
        disk.a.complete_all_held();
        CHECK(disk.queue->poll() == 1);
        CHECK((flush.ended == 1 && flush.what.status == blk_status::ok));
        CHECK(is(disk.a.requests()[0], bio_op::flush, 0, 0));
        CHECK(is(disk.b.requests()[0], bio_op::flush, 0, 0));
        CHECK(disk.requests() == 2);
    }
}

TEST_CASE("the data of a preflush goes out when every lower device has flushed") {
    linear_disk disk(completion_order::manual);
    std::vector<std::byte> data(20 * sector_size_bytes);
    test_io io(bio_op::write, {30}, {segment_of(data)});
    io.what.preflush = io.what.fua = true;
    disk.queue->submit(io.what);
    CHECK(is(disk.a.requests().back(), bio_op::flush, 0, 0));
    CHECK(is(disk.b.requests().back(), bio_op::flush, 0, 0));
    disk.a.complete_all_held();
    CHECK(disk.queue->poll() == 0);
    CHECK(disk.requests() == 2);
    disk.b.complete_all_held();
    CHECK(disk.queue->poll() == 0);
    REQUIRE(disk.requests() == 4);
    for (const simulated_device* lower : {&disk.a, &disk.b})
        CHECK((lower->requests()[1].fua && !lower->requests()[1].preflush));
    CHECK(is(disk.b.requests()[1], bio_op::write, 130, 10));
    CHECK(is(disk.a.requests()[1], bio_op::write, 8, 10));
    disk.a.complete_all_held();
    disk.b.complete_all_held();
    CHECK(disk.queue->poll() == 1);
    CHECK(io.what.status == blk_status::ok);
}

TEST_CASE("data whose preflush failed is not written") {
    struct failing_flush final : device_faults {
        std::optional<device_fault> fault_of(const bio& b) noexcept override {
            return b.is_flush() ? std::optional(device_fault{blk_status::medium, data_moved::none})
                                : std::nullopt;
        }
    } faults;
    linear_disk disk(completion_order::shuffled);
    disk.a.set_faults(&faults);
    std::vector<std::byte> data(sector_size_bytes);
    test_io io(bio_op::write, {0}, {segment_of(data)});
    io.what.preflush = true;
    CHECK(run(*disk.queue, io) == blk_status::medium);
    CHECK(disk.requests() == 2);
    CHECK(run(*disk.queue, bio_op::write, {0}, {segment_of(data)}) == blk_status::ok);
}

// --- many ---

TEST_CASE("what does not fit waits in the order it came") {
    linear_disk disk(completion_order::manual, 2);
    std::vector<std::byte> data(8 * sector_size_bytes);
    std::deque<test_io> ios;
    for (std::uint64_t i = 0; i < 8; ++i) {
        ios.emplace_back(bio_op::write, sector{i}, std::vector{segment_of({&data[i * 512], 512})});
        disk.queue->submit(ios.back().what);
    }
    CHECK(disk.b.held() == 2);
    for (std::uint64_t i = 0; i < 8; ++i) {
        disk.b.complete_held();
        CHECK(disk.queue->poll() == 1);
        CHECK(ios[i].ended == 1);
    }
    for (std::uint64_t i = 0; i < 8; ++i)
        CHECK(is(disk.b.requests()[i], bio_op::write, 100 + i, 1));
}

// A queue of depth 1 has pieces for one source and one flush: the rest of a source waits for its own pieces.
TEST_CASE("random bios beyond any depth all end, with the right data, and nothing is allocated") {
    for (const completion_order order :
         {completion_order::as_submitted, completion_order::shuffled, completion_order::timed})
        for (const unsigned depth : {1U, 2U, 7U}) {
            linear_disk disk(order, depth);
            random_source random(test_seed() + depth);
            auto model = random_bytes(sectors * sector_size_bytes, test_seed());
            REQUIRE(run(*disk.queue, bio_op::write, {0}, {segment_of(model)}) == blk_status::ok);
            for (unsigned round = 0; round < 20; ++round) {
                std::deque<test_io> ios;
                for (std::uint64_t at = 0; at < sectors;) {
                    const std::uint64_t length = 1 + random.below(std::min<std::uint64_t>(sectors - at, 50));
                    const bytes_span part(&model[at * sector_size_bytes], length * sector_size_bytes);
                    test_io& io = ios.emplace_back(bio_op::write, sector{at}, std::vector{segment_of(part)});
                    random.fill(part);
                    io.what.preflush = random.below(3) == 0;
                    ios.emplace_back(bio_op::flush, sector{0}, std::vector<bio_vec>{});
                    at += length;
                }
                const allocation_counter counter;
                for (test_io& io : ios)
                    disk.queue->submit(io.what);
                wait_for_all(*disk.queue);
                CHECK((counter.count() == 0 || !allocation_counter::available()));
                CHECK(std::ranges::all_of(ios, [](const test_io& io) {
                    return io.ended == 1 && io.what.status == blk_status::ok;
                }));
                REQUIRE(disk.everything() == model);
            }
        }
}
