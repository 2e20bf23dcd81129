// SPDX-License-Identifier: Apache-2.0
// The tree against std::map, on an image that is committed, looked at and opened again in between.
#include "tests/fsdemo/volume_rig.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>
#include <numeric>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

enum class key_pattern { ascending, descending, random, mixed_types };
constexpr std::array patterns{key_pattern::ascending, key_pattern::descending, key_pattern::random,
                              key_pattern::mixed_types};

tree_key make_key(key_pattern pattern, std::uint64_t n, random_source& random) {
    switch (pattern) {
    case key_pattern::ascending:
        return {item_type::dir_entry, 7, n};
    case key_pattern::descending:
        return {item_type::extent, ~n, 3};
    case key_pattern::random:
        return {item_type::file_extent, random.next(), random.next()};
    case key_pattern::mixed_types:
        return {static_cast<item_type>(1 + random.below(4)), 2 + random.below(40), random.below(40)};
    }
    return {};
}

class tree_run {
  public:
    tree_run(std::uint64_t blocks, std::uint64_t seed) : rig(blocks), random(seed) {
        model = rig.walk().items_of_others();
    }

    void insert(const tree_key& key, std::size_t size) {
        REQUIRE(name_of(rig.vol().may_change(volume::room_for::more)) == "done");
        const auto data = random_bytes(size, random.next());
        const bool is_new = model.emplace(key, data).second;
        REQUIRE(rig.tree().insert(key, data).value() == (is_new ? 0 : EEXIST));
    }
    void update(const tree_key& key) {
        const auto known = model.find(key);
        const auto data = random_bytes(known == model.end() ? 8 : known->second.size(), random.next());
        REQUIRE(rig.tree().update(key, data).value() == (known == model.end() ? ENOENT : 0));
        if (known != model.end())
            known->second = data;
    }
    void erase(tree_key key) {
        const bool is_there = model.erase(key) != 0;
        REQUIRE(rig.tree().erase(key).value() == (is_there ? 0 : ENOENT));
    }

    static bool is(const std::optional<tree_item>& found, item_map::const_iterator wanted) {
        return found && found->key == wanted->first && std::ranges::equal(found->data, wanted->second);
    }
    void look_near(const tree_key& key) {
        const auto exact = rig.tree().find(key);
        const auto wanted = model.find(key);
        REQUIRE(exact.has_value());
        REQUIRE((wanted == model.end() ? !exact->has_value() : is(*exact, wanted)));
        const auto behind = rig.tree().at_or_after(key);
        const auto next = model.lower_bound(key);
        REQUIRE(behind.has_value());
        if (next == model.end())
            REQUIRE((!*behind || (*behind)->key.type == item_type::free));
        else
            REQUIRE(is(*behind, next));
        const auto before = rig.tree().at_or_before(key);
        const auto above = model.upper_bound(key);
        REQUIRE(before.has_value());
        REQUIRE((above == model.begin() ? !before->has_value() : is(*before, std::prev(above))));
    }

    tree_key existing_key() {
        const auto at = model.lower_bound({static_cast<item_type>(1 + random.below(4)), random.next(), 0});
        if (at != model.end())
            return at->first;
        return model.empty() ? tree_key{item_type::inode, 1, 0} : model.begin()->first;
    }

    void commit() {
        REQUIRE(name_of(rig.vol().commit()) == "done");
        REQUIRE(rig.walk().items_of_others() == model);
    }

    volume_rig rig;
    random_source random;
    item_map model;
};

void change_somehow(tree_run& run, key_pattern pattern, std::uint64_t n, bool grows) {
    random_source& random = run.random;
    const tree_key key = random.below(4) == 0 ? run.existing_key() : make_key(pattern, n, random);
    const std::uint64_t dice = random.below(10);
    if (dice < (grows ? 7U : 2U))
        run.insert(key, 8 + random.below(item_bytes_max - 7));
    else if (dice == 9)
        run.update(run.existing_key());
    else
        run.erase(random.below(8) == 0 ? key : run.existing_key());
    run.look_near(key);
    run.look_near(make_key(pattern, random.below(n + 1), random));
}

void shuffle(std::vector<std::uint64_t>& numbers, random_source& random) {
    for (std::size_t i = numbers.size(); i > 1; --i)
        std::swap(numbers[i - 1], numbers[random.below(i)]);
}

} // namespace

TEST_CASE("the tree holds what a map holds, across commits and opening again") {
    for (const key_pattern pattern : patterns) {
        CAPTURE(static_cast<int>(pattern));
        tree_run run(4096, test_seed() + static_cast<std::uint64_t>(pattern));
        for (std::uint64_t n = 0; n < 12'000; ++n) {
            change_somehow(run, pattern, n, n / 3000 % 2 == 0);
            if (run.random.below(400) == 0)
                run.commit();
            if (run.random.below(1000) == 0) {
                run.commit();
                run.rig.open();
            }
        }
        while (run.model.size() > 1)
            run.erase(std::next(run.model.begin())->first);
        run.commit();
        run.rig.open();
        const image_walk at_end = run.rig.walk();
        CHECK(at_end.nodes == 1);
        CHECK(at_end.count(block_use::none) == 0);
    }
}

TEST_CASE("items can be taken away in any order, and their nodes with them") {
    for (const int order : {0, 1, 2}) {
        CAPTURE(order);
        tree_run run(4096, test_seed() + 10);
        std::vector<std::uint64_t> numbers(10'000);
        std::iota(numbers.begin(), numbers.end(), 0);
        shuffle(numbers, run.random);
        for (const std::uint64_t n : numbers)
            run.insert({item_type::dir_entry, 7, n}, 60);
        run.commit();
        if (order < 2)
            std::ranges::sort(numbers);
        if (order == 1)
            std::ranges::reverse(numbers);
        for (const std::uint64_t n : numbers) {
            if (n % 100 != 0)
                run.erase({item_type::dir_entry, 7, n});
            if (run.random.below(500) == 0)
                run.commit();
        }
        run.commit();
        // The 100 items that are left fill two leaves.
        CHECK(run.rig.walk().leaves <= 8);
    }
}

TEST_CASE("descending keys between two leaves share leaves") {
    tree_run run(8192, test_seed() + 20);
    std::vector<std::uint64_t> numbers(2000);
    std::iota(numbers.begin(), numbers.end(), 0);
    shuffle(numbers, run.random);
    for (const std::uint64_t n : numbers)
        run.insert({item_type::dir_entry, 7, 1000 * n}, item_bytes_max);
    run.commit();
    const std::size_t leaves_before = run.rig.walk().leaves;
    for (const std::uint64_t n : numbers)
        for (std::uint64_t i = 10; i != 0; --i)
            run.insert({item_type::dir_entry, 7, 1000 * n + i}, 8);
    run.commit();
    // They fill 143 leaves.
    CHECK(run.rig.walk().leaves <= leaves_before + 300);
}

TEST_CASE("to erase all that a leaf holds is a change to be committed") {
    // The second of two leaves as full as it gets, so that the first cannot become a part of it.
    for (std::uint64_t count = 50; count < 100; ++count) {
        tree_run run(256, test_seed() + 22);
        for (std::uint64_t n = 0; run.rig.tree().root_level() == 0; ++n)
            run.insert({item_type::inode, 2 + n, 0}, 64);
        for (std::uint64_t n = 0; n < count; ++n)
            run.insert({item_type::extent, 2 + n, 0}, 8);
        while (run.model.size() > count) {
            run.commit();
            run.erase(run.model.begin()->first);
        }
        run.commit();
        run.rig.open();
        run.commit();
    }
}

TEST_CASE("a find reads a node of each level at most, from one item to 200,000") {
    tree_run run(24'000, test_seed() + 30);
    std::uint64_t next_size = 1;
    for (std::uint64_t n = 1; n <= 200'000; ++n) {
        run.insert({item_type::file_extent, run.random.next() >> 40, n}, 24);
        if (n != next_size)
            continue;
        next_size = std::min<std::uint64_t>(next_size * 10, n < 200'000 ? 200'000 : n);
        run.commit();
        run.rig.open();
        const unsigned levels = run.rig.tree().root_level() + 1U;
        CHECK(levels <= (n < 50 ? 1U : n < 5000 ? 2U : n <= 100'000 ? 3U : 4U));
        for (int i = 0; i < 200; ++i) {
            const std::uint64_t before = run.rig.vol().nodes().reads();
            const tree_key key = run.existing_key();
            REQUIRE(run.rig.tree().find(key).value().has_value());
            REQUIRE(run.rig.vol().nodes().reads() - before <= levels);
        }
    }
    for (int i = 0; i < 1000; ++i)
        run.look_near({item_type::file_extent, run.random.next() >> 40, run.random.below(200'000)});
}
