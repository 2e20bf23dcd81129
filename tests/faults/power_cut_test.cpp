// SPDX-License-Identifier: Apache-2.0
// The power goes while bios are under way. What a flush, a preflush or fua had made stable is there, and each
// sector holds what some write left there, never anything else.
#include "tests/faults/io_stack.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <deque>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t unit_bytes = 4096;
constexpr std::size_t regions = 6;
constexpr std::uint32_t region_bytes = 3 * unit_bytes;
constexpr int steps_in_run = 60;
constexpr int runs = 40;

using version_numbers = std::array<std::size_t, regions>;

class power_cut_run;

/// A write of a whole region, or a flush.
struct cut_io final : bio_end_io {
    explicit cut_io(power_cut_run& r) : run(r) {}
    void end_io(bio&) noexcept override;

    power_cut_run& run;
    std::vector<std::byte> data;
    std::array<bio_vec, 1> segments;
    bio request;
    std::size_t region = regions; // none: a flush
    std::size_t version = 0;
    version_numbers ended_before{}; // by region: the version that had ended when this was submitted
    int ends = 0;
};

class power_cut_run {
  public:
    power_cut_run(const io_stack_kind& kind, std::uint64_t seed)
        : steps_(fault_steps::none), random_(seed), stack_(steps_, unit_bytes) {
        REQUIRE_FALSE(set_up(kind, stack_));
        kind.lay_out(stack_);
        for (simulated_device& medium : stack_.media)
            medium.watch_stability();
        for (auto& versions : versions_)
            versions.emplace_back(region_bytes);
    }

    void run() {
        for (int step = 0; step < steps_in_run; ++step) {
            submit_something();
            for (std::uint64_t polls = random_.below(6); polls != 0; --polls) {
                stack_.queue->poll();
                stack_.env.advance_clock(random_.below(simulated_device::latency_max_ns / 4));
            }
        }
        for (simulated_device& medium : stack_.media)
            medium.cut_power();
        // Before what was parked above the media goes on: that is after the power came back.
        for (std::size_t region = 0; region < regions; ++region)
            check_region(region);
        REQUIRE(stack_.drain() == 0);
        CHECK(std::ranges::all_of(ios_, [](const cut_io& io) { return io.ends == 1; }));
        CHECK(stack_.queue->pools_are_whole());
    }

    std::size_t stable_versions() const {
        return static_cast<std::size_t>(std::ranges::count_if(stable_, [](std::size_t v) { return v != 0; }));
    }

  private:
    friend struct cut_io;

    static sector start_of(std::size_t region) { return sector{region * 64}; }
    const test_key& key_of(std::size_t region) const { return stack_.keys[region % io_stack::key_count]; }

    void submit_something() {
        cut_io& io = ios_.emplace_back(*this);
        const std::size_t region = random_.below(regions + 1);
        if (region == regions || is_busy_[region]) {
            io.request.prepare(bio_op::flush, sector{0}, {}, io);
        } else {
            prepare_write(io, region);
        }
        io.ended_before = ended_;
        stack_.queue->submit(io.request);
    }

    void prepare_write(cut_io& io, std::size_t region) {
        io.region = region;
        io.data = random_bytes(region_bytes, random_.next());
        io.segments[0] = {io.data.data(), region_bytes};
        io.request.prepare(bio_op::write, start_of(region), io.segments, io);
        io.request.fua = random_.below(3) == 0;
        io.request.preflush = random_.below(3) == 0;
        io.request.set_crypt_ctx(stack_.requests[region % io_stack::key_count], dun(region * 100));
        io.version = versions_[region].size();
        versions_[region].push_back(
            reference_ciphertext(key_of(region).bytes, dun(region * 100), unit_of(unit_bytes), io.data));
        is_busy_[region] = true;
    }

    void ended(const cut_io& io) noexcept {
        if (io.region != regions)
            is_busy_[io.region] = false;
        if (io.request.status != blk_status::ok)
            return;
        if (io.region == regions || io.request.preflush)
            for (std::size_t i = 0; i < regions; ++i)
                stable_[i] = std::max(stable_[i], io.ended_before[i]);
        if (io.region == regions)
            return;
        ended_[io.region] = io.version;
        if (io.request.fua)
            stable_[io.region] = io.version;
    }

    // Old, new or torn, sector by sector, but nothing older than what is stable.
    void check_region(std::size_t region) {
        const auto stored = stack_.stored(start_of(region), region_bytes);
        for (std::size_t at = 0; at < region_bytes; at += sector_size_bytes) {
            const auto is_from = [&](const std::vector<std::byte>& version) {
                return std::equal(stored.begin() + static_cast<std::ptrdiff_t>(at),
                                  stored.begin() + static_cast<std::ptrdiff_t>(at + sector_size_bytes),
                                  version.begin() + static_cast<std::ptrdiff_t>(at));
            };
            const auto& versions = versions_[region];
            CAPTURE(region);
            CAPTURE(at);
            const auto first = versions.begin() + static_cast<std::ptrdiff_t>(stable_[region]);
            CHECK(std::any_of(first, versions.end(), is_from));
        }
    }

    fault_steps steps_;
    random_source random_;
    io_stack stack_;
    std::deque<cut_io> ios_;
    std::array<std::vector<std::vector<std::byte>>, regions>
        versions_; // what a region has been, in ciphertext
    version_numbers ended_{};
    version_numbers stable_{};
    std::array<bool, regions> is_busy_{};
};

void cut_io::end_io(bio&) noexcept {
    ++ends;
    run.ended(*this);
}

} // namespace

TEST_CASE("after a power cut what was stable is there and every sector is old or new") {
    for (const io_stack_kind& kind : io_stack_kinds()) {
        CAPTURE(std::string(kind.name));
        std::size_t stable = 0;
        for (int i = 0; i < runs; ++i) {
            power_cut_run run(kind, test_seed() + static_cast<std::uint64_t>(i));
            run.run();
            stable += run.stable_versions();
        }
        CHECK(stable > 0);
    }
}
