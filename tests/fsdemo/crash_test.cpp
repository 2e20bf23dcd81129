// SPDX-License-Identifier: Apache-2.0
// The power goes at any point: the image holds the last state whose commit had ended, or the one that was
// being committed, whole.
#include "tests/fsdemo/crash_recorder.hpp"
#include "tests/fsdemo/volume_rig.hpp"
#include "tests/support/test_seed.hpp"

#include <set>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

/// A volume on a device that records, changed at random, and what it held at each commit.
class recorded_run {
  public:
    recorded_run(std::uint64_t blocks, std::uint64_t seed)
        : random_(seed), image_(format(blocks)), recorder_(image_) {
        std::string why;
        volume_ = volume::open(recorder_, e_, {.nodes_max = 32}, why).value();
        states_.push_back(walk_image(image_).items);
    }

    void run(int commits, int changes) {
        for (int i = 0; i < commits; ++i) {
            for (auto n = random_.below(static_cast<std::uint64_t>(changes)); n-- != 0;)
                change();
            REQUIRE(name_of(volume_->commit()) == "done");
            recorder_.mark();
            const auto walk = walk_image(image_);
            REQUIRE(walk.trouble == "");
            states_.push_back(walk.items);
        }
    }

    std::size_t check_crashes(const crash_bounds& bounds) {
        std::size_t later = 0;
        const std::size_t images = recorder_.for_each_crash(random_, bounds, [&](const crash_image& crash) {
            const auto walk = walk_image(crash.bytes);
            if (!walk.trouble.empty())
                FAIL(walk.trouble);
            const bool is_last = walk.items == states_[crash.marks];
            const bool is_next = crash.marks + 1 < states_.size() && walk.items == states_[crash.marks + 1];
            if (!is_last && !is_next)
                FAIL("neither the last state nor the next, of " << crash.marks);
            later += is_last ? 0 : 1;
            open_and_look(crash, walk.items);
        });
        CHECK(later > 0);
        return images;
    }

  private:
    static std::vector<std::byte> format(std::uint64_t blocks) { return std::move(volume_rig(blocks).image); }

    void change() {
        if (volume_->may_change(volume::room_for::less))
            return;
        const std::uint64_t n = random_.below(400);
        const tree_key key{item_type::dir_entry, 7, n};
        const bool may_grow = !volume_->may_change(volume::room_for::more, 3);
        const std::uint64_t dice = random_.below(10);
        if (dice < 3) {
            (void)volume_->tree().erase(key); // may not be there
        } else if (may_grow && dice < 8) {
            (void)volume_->tree().insert(key, random_bytes(8 + random_.below(200), random_.next()));
        } else if (may_grow && extents_.size() < 20) {
            const auto run = volume_->room().take(1 + random_.below(3)).value();
            REQUIRE_FALSE(volume_->tree().insert(
                extent_key(run.first), encode(extent_item{static_cast<std::uint32_t>(run.count), 1, {}})));
            extents_.push_back(run);
        } else if (!extents_.empty()) {
            const auto at = extents_.begin() + static_cast<std::ptrdiff_t>(random_.below(extents_.size()));
            REQUIRE_FALSE(volume_->tree().erase(extent_key(at->first)));
            volume_->room().retire(*at);
            extents_.erase(at);
        }
    }

    // As the library reads it, and goes on with it.
    void open_and_look(const crash_image& crash, const item_map& items) {
        after_.assign(crash.bytes.begin(), crash.bytes.end());
        const auto device = make_memory_device(after_);
        std::string why;
        auto opened = volume::open(*device, e_, {.nodes_max = 32}, why);
        if (!opened)
            FAIL(why);
        volume& v = **opened;
        for (const auto& [key, data] : items)
            if (!v.tree().find(key).value())
                FAIL("an item that is not found");
        REQUIRE_FALSE(v.may_change(volume::room_for::less));
        REQUIRE_FALSE(v.tree().insert({item_type::dir_entry, 8, 1}, data_after_));
        REQUIRE(name_of(v.commit()) == "done");
        if (const auto walk = walk_image(after_); !walk.trouble.empty())
            FAIL(walk.trouble);
    }

    random_source random_;
    std::vector<std::byte> image_;
    crash_recorder recorder_;
    simulated_env e_{1};
    std::unique_ptr<volume> volume_;
    std::vector<item_map> states_;
    std::vector<block_run> extents_;
    std::vector<std::byte> after_;
    const std::vector<std::byte> data_after_ = std::vector<std::byte>(8);
};

} // namespace

TEST_CASE("a crash at any point leaves the last state or the next one, whole") {
    std::size_t images = 0;
    for (std::uint64_t i = 0; i < 4; ++i) {
        CAPTURE(i);
        recorded_run run(i % 2 == 0 ? 128 : 400, test_seed() + i);
        run.run(40, i % 2 == 0 ? 5 : 60);
        images += run.check_crashes({.all_subsets_of = 4, .random_subsets = 8, .torn = 1, .every = 2});
    }
    CHECK(images > 1000);
}

TEST_CASE("a crash recorder leaves what was not flushed there or not, and what was flushed there") {
    std::vector<std::byte> medium(2 * sector_size_bytes);
    crash_recorder device(medium);
    simulated_env e(1);
    const auto queue = device.make_queue(e, {}).value();
    struct observer final : bio_end_io {
        void end_io(bio&) noexcept override {}
    } told;
    std::array<std::byte, sector_size_bytes> memory;
    const bio_vec segment{memory.data(), sector_size_bytes};
    bio io;
    const auto write = [&](std::uint64_t where, int value, bool fua) {
        memory.fill(static_cast<std::byte>(value));
        io.prepare(bio_op::write, {where}, {&segment, 1}, told);
        io.fua = fua;
        queue->submit(io);
        queue->poll();
    };
    const auto flush = [&] {
        io.prepare(bio_op::flush, {0}, {}, told);
        queue->submit(io);
        queue->poll();
    };
    write(0, 1, false);
    write(1, 2, true);
    device.mark();
    flush();
    write(1, 3, false);
    device.mark();

    std::map<std::size_t, std::set<std::pair<int, int>>> seen;
    random_source random(test_seed());
    device.for_each_crash(random, {}, [&](const crash_image& c) {
        seen[c.marks].emplace(static_cast<int>(c.bytes[0]), static_cast<int>(c.bytes[sector_size_bytes]));
    });
    using pairs = std::set<std::pair<int, int>>;
    CHECK((seen[0] == pairs{{0, 0}, {1, 0}, {0, 2}, {1, 2}}));
    CHECK((seen[1] == pairs{{0, 2}, {1, 2}, {1, 3}}));
    CHECK((seen[2] == pairs{{1, 2}, {1, 3}}));
}
