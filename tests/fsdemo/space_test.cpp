// SPDX-License-Identifier: Apache-2.0
// Every block is one thing, whatever is taken and given back; and whoever asks may_change() before each
// change can commit.
#include "tests/fsdemo/volume_rig.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>
#include <set>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

/// Somebody with extents and other items on a volume.
class space_run {
  public:
    space_run(std::uint64_t blocks, std::uint64_t seed) : rig(blocks), random(seed) { look(); }

    // Each: false if there is no room for it, as may_change() says.

    bool take(std::uint64_t wanted) {
        if (!may_change(volume::room_for::more, wanted))
            return false;
        for (std::uint64_t got = 0; got < wanted;) {
            const auto run = rig.vol().room().take(std::min<std::uint64_t>(wanted - got, extent_blocks_max));
            REQUIRE_MESSAGE(run.has_value(), run.error().message());
            REQUIRE(run->count > 0);
            REQUIRE(run->count <= wanted - got);
            REQUIRE(is_all(*run, block_use::free));
            add_extent(*run);
            got += run->count;
        }
        return true;
    }

    void give_some_back(std::uint64_t wanted) {
        if (!may_change(volume::room_for::more, wanted))
            return;
        const auto run = rig.vol().room().take(wanted);
        REQUIRE(run.has_value());
        const std::uint64_t kept = random.below(run->count + 1);
        if (kept != 0)
            add_extent({run->first, kept});
        if (kept != run->count)
            REQUIRE_FALSE(rig.vol().room().give_back({run->first + kept, run->count - kept}));
    }

    bool drop_extent(std::size_t n) {
        if (!may_change(volume::room_for::less))
            return false;
        const auto at = std::next(extents.begin(), static_cast<std::ptrdiff_t>(n));
        const block_run run{at->first, at->second.blocks};
        const bool is_fresh = at->second.is_fresh;
        extents.erase(at);
        REQUIRE(name_of(rig.tree().erase(extent_key(run.first))) == "done");
        if (is_fresh)
            REQUIRE(name_of(rig.vol().room().give_back(run)) == "done");
        else
            rig.vol().room().retire(run);
        return true;
    }

    bool insert(std::uint64_t n, std::size_t size) {
        if (!may_change(volume::room_for::more))
            return false;
        if (names.insert(n).second)
            REQUIRE(name_of(rig.tree().insert({item_type::dir_entry, 7, n}, counting_bytes(size))) == "done");
        return true;
    }

    bool erase(std::uint64_t n) {
        if (!may_change(volume::room_for::less))
            return false;
        names.erase(n);
        REQUIRE(name_of(rig.tree().erase({item_type::dir_entry, 7, n})) == "done");
        return true;
    }

    void commit() {
        const std::string outcome = name_of(rig.vol().commit());
        REQUIRE_MESSAGE(outcome == "done", outcome << ": " << rig.vol().trouble());
        for (auto& [first, extent] : extents)
            extent.is_fresh = false;
        look();
    }

    void reopen() {
        commit();
        rig.open();
        REQUIRE(rig.vol().room().free_blocks() == last.super.free_blocks);
    }

    /// Takes something away at random; false if there is nothing.
    bool remove_something() {
        const auto remove = [this] {
            if (names.empty() || (!extents.empty() && random.below(2) == 0))
                return drop_extent(random.below(extents.size()));
            const auto at = names.lower_bound(random.next());
            return erase(at == names.end() ? *names.begin() : *at);
        };
        if (names.empty() && extents.empty())
            return false;
        if (!remove()) {
            commit();
            REQUIRE(remove());
        }
        return true;
    }

    /// All that there was room for can be taken away again, and the image is empty then.
    void empty() {
        const std::uint64_t changes_in_commit = 20 + (names.size() + extents.size()) / 10;
        while (remove_something())
            if (random.below(changes_in_commit) == 0)
                commit();
        reopen();
        CHECK(last.nodes == 1);
        CHECK(last.super.free_blocks == last.super.blocks - superblock_count - 1);
    }

    struct held_extent {
        std::uint32_t blocks;
        bool is_fresh; // since the last commit
    };

    volume_rig rig;
    random_source random;
    image_walk last;
    std::map<block_number, held_extent> extents;
    std::set<std::uint64_t> names;

  private:
    bool may_change(volume::room_for what, std::uint64_t blocks = 0) {
        const std::error_code error = rig.vol().may_change(what, blocks);
        if (error)
            REQUIRE(error.value() == ENOSPC);
        return !error;
    }

    bool is_all(const block_run& run, block_use use) const {
        const auto uses = std::span(last.uses).subspan(run.first, run.count);
        return std::ranges::all_of(uses, [use](block_use here) { return here == use; });
    }

    void add_extent(const block_run& run) {
        const auto blocks = static_cast<std::uint32_t>(run.count);
        REQUIRE(name_of(rig.tree().insert(extent_key(run.first), encode(extent_item{blocks, 1, {}}))) ==
                "done");
        extents.emplace(run.first, held_extent{blocks, true});
    }

    // Each block is a superblock, a node, free, or of one extent.
    void look() {
        last = rig.walk();
        std::uint64_t of_extents = 0;
        std::size_t items = 0;
        for (const auto& [first, extent] : extents) {
            REQUIRE(last.items.contains(extent_key(first)));
            REQUIRE(is_all({first, extent.blocks}, block_use::none));
            of_extents += extent.blocks;
        }
        for (const auto& [key, data] : last.items)
            items += key.type == item_type::extent ? 1 : 0;
        REQUIRE(items == extents.size());
        REQUIRE(last.count(block_use::none) == of_extents);
    }
};

constexpr std::array<std::uint64_t, 4> image_sizes{64, 200, 1000, 2000};

} // namespace

TEST_CASE("every block is one thing after any changes, and each commit has room") {
    for (const std::uint64_t blocks : image_sizes)
        for (std::uint64_t i = 0; i < 6; ++i) {
            CAPTURE(blocks);
            CAPTURE(i);
            space_run run(blocks, test_seed() + i);
            random_source& random = run.random;
            const std::uint64_t largest = i % 3 == 0 ? 3 : i % 3 == 1 ? 50 : blocks / 4;
            for (int step = 0; step < 3000; ++step) {
                const bool grows = step / 700 % 2 == 0;
                const std::uint64_t dice = random.below(grows ? 8 : 12);
                if (dice < 3)
                    run.take(1 + random.below(largest));
                else if (dice < 6)
                    run.insert(random.next(), 8 + random.below(200));
                else if (dice == 6)
                    run.give_some_back(1 + random.below(largest));
                else
                    run.remove_something();
                if (random.below(60) == 0)
                    run.commit();
                if (random.below(400) == 0)
                    run.reopen();
            }
            run.empty();
        }
}

TEST_CASE("an image can be filled with small extents, large ones and items, and emptied again") {
    for (const std::uint64_t blocks : image_sizes)
        for (const int way : {0, 1, 2, 3}) {
            CAPTURE(blocks);
            CAPTURE(way);
            space_run run(blocks, test_seed() + 10);
            std::uint64_t size = blocks;
            for (std::uint64_t n = 0, commits = 0, refusals = 0; commits < 2 && refusals < 50; ++n) {
                const bool has_room = way == 0   ? run.take(1)
                                      : way == 1 ? run.take(size)
                                      : way == 2 ? run.insert(n, 200)
                                                 : run.insert(run.random.next(), item_bytes_max);
                if (has_room)
                    commits = 0;
                else if (way == 1 && size > 1)
                    size /= 2;
                else // what a commit frees may be enough to go on
                    ++commits;
                refusals += has_room ? 0 : 1;
                if (!has_room || run.random.below(blocks) == 0)
                    run.commit();
            }
            // Almost all of it was used; with items anywhere each change is one of a whole path.
            CHECK(run.last.super.free_blocks < 40 + blocks / (way == 3 ? 8 : 20));
            run.empty();
        }
}

TEST_CASE("free space in single blocks can all be used, and freed in any order") {
    for (const std::uint64_t blocks : {200U, 3000U}) {
        CAPTURE(blocks);
        space_run run(blocks, test_seed() + 20);
        while (run.take(1))
            ;
        run.commit();
        // Each second one becomes free, without a commit as long as there is room.
        for (std::size_t n = 0; n < run.extents.size(); ++n)
            if (!run.drop_extent(n)) {
                run.commit();
                REQUIRE(run.drop_extent(n));
            }
        run.commit();
        const std::uint64_t free = run.last.super.free_blocks;
        CHECK(free > blocks / 3);
        while (run.take(1))
            ;
        run.commit();
        CHECK(run.last.super.free_blocks < 40 + blocks / 20);
        run.empty();
    }
}

TEST_CASE("as many pieces can be freed at once as may_change() allows") {
    space_run run(24'000, test_seed() + 30);
    for (const std::uint64_t room : {0U, 50U, 100U, 200U}) {
        CAPTURE(room);
        while (run.take(1)) {
            while (run.take(1))
                ;
            run.commit();
        }
        while (run.last.super.free_blocks < room) {
            for (std::uint64_t i = 0; i < room / 4; ++i)
                REQUIRE(run.drop_extent(run.extents.size() - 1));
            run.commit();
        }
        std::size_t n = 0;
        while (n < run.extents.size() && run.drop_extent(n))
            ++n; // each second one: all behind it have moved
        CHECK(n > 30);
        run.commit();
    }
}

TEST_CASE("pieces that become free with the next commit do not hide blocks that are free now") {
    volume_rig rig(1000);
    REQUIRE_FALSE(rig.tree().erase(free_key(3)));
    REQUIRE_FALSE(rig.tree().insert(free_key(900), encode(free_item{100})));
    space& room = rig.vol().room();
    for (block_number block = 10; block < 410; block += 2)
        room.retire({block, 1});
    REQUIRE_FALSE(room.list_all());
    std::vector<block_number> blocks;
    CHECK(name_of(room.take_for_nodes(5, blocks)) == "done");
    CHECK(blocks == std::vector<block_number>{900, 901, 902, 903, 904});
}

TEST_CASE("free blocks of a superblock that do not fit what is listed are damage") {
    volume_rig rig(256);
    superblock super = rig.vol().super();
    super.free_blocks = 20;
    super.generation += 1;
    std::array<std::byte, block_bytes> block;
    encode(super, block);
    std::ranges::copy(block, rig.image.begin() + static_cast<std::ptrdiff_t>(
                                                     block_bytes * (super.generation % superblock_count)));
    rig.open();
    CHECK(rig.vol().room().take(10).error().value() == EUCLEAN);
}
