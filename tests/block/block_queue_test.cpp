// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/block_device.hpp"
#include "tests/block/block_cases.hpp"
#include "tests/support/property.hpp"
#include "tests/support/simulated_env.hpp"

#include <algorithm>
#include <array>
#include <numeric>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t latency_ns = 700;

// Takes every bio that passes the checks and ends it with `outcome` after some virtual time.
class small_queue final : public block_queue {
  public:
    small_queue(const block_device& device, env& environment, const queue_options& options = {})
        : block_queue(device, environment, options), done_(*this) {}
    ~small_queue() override { environment().cancel(done_); }

    unsigned taken = 0;
    blk_status outcome = blk_status::ok;

  private:
    struct device_done final : timer {
        explicit device_done(small_queue& q) : queue(q) {}
        void run(unsigned) noexcept override { queue.is_done_ = true; }
        small_queue& queue;
    };

    void do_submit(bio& b) noexcept override {
        ++taken;
        if (underway_.empty())
            environment().arm(done_, environment().now_ns() + latency_ns);
        underway_.push(b);
    }
    void do_poll() noexcept override {
        if (!std::exchange(is_done_, false))
            return;
        while (bio* b = underway_.pop())
            complete(*b, outcome);
    }

    bio_list underway_;
    device_done done_;
    bool is_done_ = false;
};

struct small_device final : block_device {
    queue_limits limits_{.logical_block_size_bytes = 512, .volatile_cache = true};
    sector capacity_{64};
    crypto_capabilities native;
    bool is_native = false;

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return capacity_; }
    const crypto_capabilities* native_crypto() const noexcept override {
        return is_native ? &native : nullptr;
    }
    std::string describe() const override { return "small"; }
    result<std::unique_ptr<block_queue>> make_queue(env& environment, const queue_options&) override {
        return std::unique_ptr<block_queue>(new small_queue(*this, environment));
    }

    void encrypts(std::uint32_t unit_sizes) {
        is_native = true;
        native.unit_sizes[mode_index(crypto_mode::aes_256_xts)] = unit_sizes;
        native.dun_bytes_max = 8;
    }
};

struct rig {
    simulated_env env{test_seed()};
    small_device device;
    counting_end_io told;
    bio b;

    // Submits `b`, waits, checks that it ended once and not in submit(). What it ended with.
    blk_status submitted() {
        small_queue queue(device, env);
        const int ends_before = told.ends;
        queue.submit(b);
        CHECK(told.ends == ends_before);
        CHECK(queue.in_flight() == 1);
        CHECK(queue.wait() == 1);
        CHECK(told.ends == ends_before + 1);
        CHECK(queue.in_flight() == 0);
        CHECK(queue.wait() == 0);
        taken = queue.taken;
        return told.status;
    }
    unsigned taken = 0;
};

} // namespace

TEST_CASE("a bio within the device reaches it and ends well") {
    rig r;
    one_segment data(4096);
    for (const std::uint64_t start : {0U, 1U, 56U}) {
        CAPTURE(start);
        r.b.prepare(bio_op::write, sector{start}, data.segments, r.told);
        CHECK(r.submitted() == blk_status::ok);
        CHECK(r.taken == 1);
    }
}

TEST_CASE("a bio out of range is an I/O error and never reaches the device") {
    rig r;
    one_segment data(4096);
    for (const std::uint64_t start : {57UL, 64UL, 65UL, ~0UL, ~0UL - 7, 1UL << 55}) {
        CAPTURE(start);
        r.b.prepare(bio_op::read, sector{start}, data.segments, r.told);
        CHECK(r.submitted() == blk_status::ioerr);
        CHECK(r.taken == 0);
    }
    one_segment too_large(65 * 512);
    r.b.prepare(bio_op::read, sector{0}, too_large.segments, r.told);
    CHECK(r.submitted() == blk_status::ioerr);
}

TEST_CASE("a bio that is not aligned to the logical block size is an I/O error") {
    rig r;
    one_segment part(100);
    r.b.prepare(bio_op::read, sector{0}, part.segments, r.told);
    CHECK(r.submitted() == blk_status::ioerr);
    r.device.limits_.logical_block_size_bytes = 4096;
    one_segment page(4096), sector_only(512);
    r.b.prepare(bio_op::read, sector{4}, page.segments, r.told);
    CHECK(r.submitted() == blk_status::ioerr);
    r.b.prepare(bio_op::read, sector{8}, sector_only.segments, r.told);
    CHECK(r.submitted() == blk_status::ioerr);
    CHECK(r.taken == 0);
    r.b.prepare(bio_op::read, sector{8}, page.segments, r.told);
    CHECK(r.submitted() == blk_status::ok);
}

TEST_CASE("a bio without data ends well and never reaches the device") {
    rig r;
    for (const auto op : {bio_op::read, bio_op::write}) {
        r.b.prepare(op, sector{64}, {}, r.told);
        CHECK(r.submitted() == blk_status::ok);
        CHECK(r.taken == 0);
    }
    r.b.prepare(bio_op::read, sector{65}, {}, r.told);
    CHECK(r.submitted() == blk_status::ioerr);
}

TEST_CASE("a flush reaches the device") {
    rig r;
    r.b.prepare(bio_op::flush, sector{0}, {}, r.told);
    CHECK(r.submitted() == blk_status::ok);
    CHECK(r.taken == 1);
}

TEST_CASE("a flush with data is invalid and never reaches the device") {
    rig r;
    one_segment data(512);
    r.b.prepare(bio_op::flush, sector{0}, data.segments, r.told);
    CHECK(r.submitted() == blk_status::inval);
    CHECK(r.taken == 0);
}

TEST_CASE("a flush of a device without a volatile cache ends well and never reaches it") {
    rig r;
    r.device.limits_.volatile_cache = false;
    r.b.prepare(bio_op::flush, sector{0}, {}, r.told);
    CHECK(r.submitted() == blk_status::ok);
    CHECK(r.taken == 0);
    r.b.prepare(bio_op::write, sector{0}, {}, r.told);
    r.b.preflush = true;
    CHECK(r.submitted() == blk_status::ok);
    CHECK(r.taken == 0);
}

TEST_CASE("a write of nothing with preflush is a flush, with fua alone it is nothing") {
    rig r;
    r.b.prepare(bio_op::write, sector{0}, {}, r.told);
    r.b.preflush = true;
    CHECK(r.b.is_flush());
    CHECK(r.submitted() == blk_status::ok);
    CHECK(r.taken == 1);
    r.b.preflush = false;
    r.b.fua = true;
    CHECK_FALSE(r.b.is_flush());
    CHECK(r.submitted() == blk_status::ok);
    CHECK(r.taken == 0);
}

TEST_CASE("fua and preflush are for writes, anything else with them is an I/O error") {
    const one_segment data(4096);
    for (const bio_op op : {bio_op::read, bio_op::flush, bio_op::discard, bio_op::write_zeroes})
        for (const bool fua : {true, false}) {
            rig r;
            if (op == bio_op::read)
                r.b.prepare(op, sector{0}, data.segments, r.told);
            else
                r.b.prepare_range(op, sector{0}, op == bio_op::flush ? 0 : 4096, r.told);
            r.b.fua = fua;
            r.b.preflush = !fua;
            CHECK(r.submitted() == blk_status::ioerr);
            CHECK(r.taken == 0);
        }
}

TEST_CASE("a discard or zeroes of a range reach the device, a discard only if the device takes discards") {
    for (const bio_op op : {bio_op::discard, bio_op::write_zeroes})
        for (const bool has_discard : {true, false}) {
            rig r;
            r.device.limits_.discard = has_discard;
            r.b.prepare_range(op, sector{8}, 4096, r.told);
            CHECK_FALSE(r.b.has_data());
            const bool is_taken = has_discard || op == bio_op::write_zeroes;
            CHECK(r.submitted() == (is_taken ? blk_status::ok : blk_status::notsupp));
            CHECK(r.taken == (is_taken ? 1 : 0));
            r.b.prepare_range(op, sector{60}, 4096, r.told);
            CHECK(r.submitted() == (is_taken ? blk_status::ioerr : blk_status::notsupp));
            CHECK(r.taken == 0);
        }
}

TEST_CASE("segments of more than a bio can hold do not wrap around to a small bio") {
    rig r;
    std::byte never_touched;
    const std::array<bio_vec, 2> segments{bio_vec{&never_touched, UINT32_MAX - 511},
                                          bio_vec{&never_touched, 1024}};
    r.b.prepare(bio_op::write, sector{0}, segments, r.told);
    CHECK(r.b.iter.size_bytes == UINT32_MAX);
    CHECK(r.submitted() == blk_status::ioerr);
    CHECK(r.taken == 0);
}

TEST_CASE("an encrypted bio without data is an I/O error") {
    rig r;
    r.device.encrypts(all_unit_sizes);
    const auto key = make_key(512);
    r.b.prepare(bio_op::write, sector{0}, {}, r.told);
    r.b.set_crypt_ctx(*key, dun(0));
    CHECK(r.submitted() == blk_status::ioerr);
    CHECK(r.taken == 0);
}

TEST_CASE("an encrypted bio on a device that cannot encrypt it is not supported" * PROPERTY(16)) {
    rig r;
    one_segment data(4096);
    const auto key = make_key(512);
    r.b.prepare(bio_op::write, sector{0}, data.segments, r.told);
    r.b.set_crypt_ctx(*key, dun(0));
    CHECK(r.submitted() == blk_status::notsupp);
    r.device.encrypts(4096);
    r.b.status = blk_status::ok;
    CHECK(r.submitted() == blk_status::notsupp);
    CHECK(r.taken == 0);
    r.device.encrypts(512);
    r.b.status = blk_status::ok;
    CHECK(r.submitted() == blk_status::ok);
    CHECK(r.taken == 1);
}

TEST_CASE("segments that are not whole data units are invalid") {
    rig r;
    r.device.encrypts(all_unit_sizes);
    const auto key = make_key(1024);
    std::vector<std::byte> memory(4096);
    const std::vector<bio_vec> split_unit{{memory.data(), 512}, {memory.data() + 512, 3584}};
    const std::vector<bio_vec> whole_units{{memory.data() + 1, 1024}, {memory.data() + 1025, 2048}};
    const std::vector<bio_vec> odd_total{{memory.data(), 1024}, {memory.data() + 1024, 512}};
    const auto status_of = [&](const std::vector<bio_vec>& segments) {
        r.b.prepare(bio_op::write, sector{0}, segments, r.told);
        r.b.set_crypt_ctx(*key, dun(0));
        return r.submitted();
    };
    CHECK(status_of(split_unit) == blk_status::inval);
    CHECK(status_of(odd_total) == blk_status::inval);
    CHECK(r.taken == 0);
    CHECK(status_of(whole_units) == blk_status::ok);
    r.b.prepare(bio_op::write, sector{0}, split_unit, r.told);
    CHECK(r.submitted() == blk_status::ok); // plain
}

TEST_CASE("what cut data units end with is what the kernel generation of the queue says") {
    rig r;
    r.device.encrypts(all_unit_sizes);
    const auto key = make_key(1024);
    one_segment data(512);
    for (const kernel_generation& kernel : {kernel_6_1, kernel_6_12, kernel_7_0}) {
        small_queue queue(r.device, r.env, {.kernel = kernel});
        r.b.prepare(bio_op::write, sector{0}, data.segments, r.told);
        r.b.set_crypt_ctx(*key, dun(0));
        queue.submit(r.b);
        CHECK(queue.wait() == 1);
        CHECK(r.told.status == kernel.misaligned);
        CHECK(queue.taken == 0);
    }
}

TEST_CASE("only data units above a page may span segments and only at page boundaries") {
    std::vector<std::byte> memory(16384);
    counting_end_io told;
    bio b;
    const auto whole = [&](std::vector<bio_vec> segments, std::uint32_t unit_bytes) {
        b.prepare(bio_op::write, sector{0}, segments, told);
        const bool is_whole = segments_are_whole_units(b, unit_of(unit_bytes));
        return is_whole;
    };
    std::byte* at = memory.data();
    CHECK(whole({{at, 4096}, {at, 4096}}, 8192));
    CHECK(whole({{at, 12288}, {at, 4096}}, 8192));
    CHECK_FALSE(whole({{at, 4096}, {at, 8192}}, 8192));
    CHECK_FALSE(whole({{at, 512}, {at, 7680}}, 8192));
    CHECK_FALSE(whole({{at, 2048}, {at, 2048}}, 4096));
    CHECK(whole({{at, 0}, {at, 4096}}, 4096));
    CHECK(whole({}, 4096));
}

TEST_CASE("an error of the device is the bio's") {
    rig r;
    one_segment data(512);
    small_queue queue(r.device, r.env);
    queue.outcome = blk_status::medium;
    r.b.prepare(bio_op::read, sector{0}, data.segments, r.told);
    queue.submit(r.b);
    CHECK(queue.wait() == 1);
    CHECK(r.told.status == blk_status::medium);
}

TEST_CASE("each of many bios ends exactly once and poll counts them") {
    rig r;
    one_segment data(512);
    small_queue queue(r.device, r.env);
    std::vector<counting_end_io> told(30);
    std::vector<bio> bios(30);
    for (std::size_t i = 0; i < bios.size(); ++i) {
        bios[i].prepare(bio_op::read, sector{i * 3}, data.segments, told[i]); // some are out of range
        queue.submit(bios[i]);
    }
    CHECK(queue.in_flight() == 30);
    unsigned ended = queue.poll();
    CHECK(ended == 8); // refused by the checks: no need to wait
    CHECK(queue.in_flight() == 22);
    CHECK(queue.poll() == 0);
    ended += queue.wait();
    CHECK(ended == 30);
    CHECK(queue.wait() == 0);
    for (const auto& t : told)
        CHECK(t.ends == 1);
}

TEST_CASE("a bio submitted by an end_io ends in a later poll") {
    rig r;
    small_queue queue(r.device, r.env);
    struct resubmitting final : bio_end_io {
        explicit resubmitting(block_queue& q) : queue(q) {}
        void end_io(bio& ended) noexcept override {
            if (++ends < 3)
                queue.submit(ended);
        }
        block_queue& queue;
        int ends = 0;
    } again(queue);
    r.b.prepare(bio_op::read, sector{0}, {}, again);
    queue.submit(r.b);
    for (int round = 1; round <= 3; ++round) {
        CHECK(queue.poll() == 1);
        CHECK(again.ends == round);
    }
    CHECK(queue.poll() == 0);
    CHECK(queue.in_flight() == 0);
}

TEST_CASE("wait with nothing in flight returns at once") {
    rig r;
    small_queue queue(r.device, r.env);
    CHECK(queue.wait() == 0);
    CHECK(r.env.now_ns() == 0);
}

TEST_CASE("the stamps of a bio account for all of its time") {
    rig r;
    one_segment data(512);
    small_queue queue(r.device, r.env);
    bio_stamps stamps;
    r.b.prepare(bio_op::write, sector{0}, data.segments, r.told);
    r.b.stamps = &stamps;
    stamps.begin(r.env.now_ns());
    r.env.advance_clock(40);
    queue.submit(r.b);
    CHECK(queue.wait() == 1);
    CHECK(stamps.stage == bio_stage::done);
    CHECK(stamps.spent_ns[static_cast<std::size_t>(bio_stage::queued)] == 40);
    CHECK(stamps.spent_ns[static_cast<std::size_t>(bio_stage::storage)] == latency_ns);
    CHECK(std::accumulate(stamps.spent_ns.begin(), stamps.spent_ns.end(), std::uint64_t{0}) ==
          40 + latency_ns);
}
