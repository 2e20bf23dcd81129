// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/node.hpp"
#include "tests/fsdemo/volume_rig.hpp"
#include "tests/support/test_seed.hpp"

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr node_ref self{77, 5};

tree_key some_key(random_source& random, std::uint64_t bound) {
    return {static_cast<item_type>(1 + random.below(5)), random.below(bound), random.below(bound)};
}

std::string_view sealed_and_checked(node& n) {
    n.seal(self, uuid_of_tests());
    return n.check(self, n.level(), uuid_of_tests());
}

bool holds(const node& n, const item_map& model) {
    if (n.count() != model.size())
        return false;
    unsigned slot = 0;
    for (const auto& [key, data] : model) {
        if (n.key(slot) != key || !std::ranges::equal(n.item(slot), data))
            return false;
        ++slot;
    }
    return true;
}

item_map fill(node& leaf, random_source& random) {
    item_map model;
    for (;;) {
        const tree_key key = some_key(random, 50);
        const auto data = random_bytes(8 + random.below(item_bytes_max - 7), random.next());
        if (!leaf.has_room_for(data.size()))
            return model;
        if (model.emplace(key, data).second)
            leaf.insert_item(leaf.lower_bound(key), key, data);
    }
}

} // namespace

TEST_CASE("a leaf holds what a map holds, and is well-formed after each change") {
    random_source random(test_seed());
    auto leaf = std::make_unique<node>();
    leaf->init(0);
    item_map model;
    for (int i = 0; i < 5000; ++i) {
        const bool grows = i / 500 % 2 == 0;
        const tree_key key = some_key(random, grows ? 20 : 5);
        const unsigned slot = leaf->lower_bound(key);
        const bool is_there = model.contains(key);
        REQUIRE((slot != leaf->count() && leaf->key(slot) == key) == is_there);
        const auto data = random_bytes(1 + random.below(item_bytes_max), random.next());
        if (is_there && (!grows || random.below(4) == 0)) {
            leaf->erase(slot);
            model.erase(key);
        } else if (!is_there && grows && leaf->has_room_for(data.size())) {
            leaf->insert_item(slot, key, data);
            model.emplace(key, data);
        }
        REQUIRE(sealed_and_checked(*leaf) == "");
        REQUIRE(holds(*leaf, model));
    }
}

TEST_CASE("a full leaf split at its middle gives two that hold all of it and are about as full") {
    random_source random(test_seed() + 1);
    for (int i = 0; i < 100; ++i) {
        auto left = std::make_unique<node>();
        auto right = std::make_unique<node>();
        left->init(0);
        right->init(0);
        const item_map all = fill(*left, random);
        const std::size_t used = left->used_bytes();
        left->move_tail(left->middle(), *right);
        CHECK(sealed_and_checked(*left) == "");
        CHECK(sealed_and_checked(*right) == "");
        CHECK(left->used_bytes() + right->used_bytes() == used);
        CHECK(left->used_bytes() > used / 3);
        CHECK(right->used_bytes() > used / 3);
        const auto middle = all.lower_bound(right->key(0));
        CHECK(holds(*left, item_map(all.begin(), middle)));
        CHECK(holds(*right, item_map(middle, all.end())));
        right->move_tail(0, *std::make_unique<node>()); // a node that is not read again
        CHECK(right->count() == 0);
        CHECK(sealed_and_checked(*right) == "");
    }
}

TEST_CASE("an inner node leads a key to the child it is below") {
    random_source random(test_seed() + 2);
    auto inner = std::make_unique<node>();
    inner->init(3);
    std::map<tree_key, node_ref> model;
    while (!inner->is_full()) {
        const tree_key key = some_key(random, 1000);
        const node_ref ref{random.next(), random.next()};
        if (model.emplace(key, ref).second)
            inner->insert_child(inner->lower_bound(key), key, ref);
    }
    CHECK(inner->count() == 122);
    while (inner->count() > 1) {
        REQUIRE(sealed_and_checked(*inner) == "");
        for (int i = 0; i < 20; ++i) {
            const tree_key key = some_key(random, 1000);
            auto above = model.upper_bound(key);
            if (above != model.begin())
                --above;
            const unsigned slot = inner->slot_towards(key);
            REQUIRE(inner->key(slot) == above->first);
            REQUIRE(inner->child(slot).block == above->second.block);
            REQUIRE(inner->child(slot).generation == above->second.generation);
        }
        const auto slot = static_cast<unsigned>(random.below(inner->count()));
        model.erase(inner->key(slot));
        inner->erase(slot);
    }
}

TEST_CASE("nothing of an item that was erased is left in the node") {
    auto leaf = std::make_unique<node>();
    auto empty = std::make_unique<node>();
    leaf->init(0);
    empty->init(0);
    random_source random(test_seed() + 3);
    fill(*leaf, random);
    while (leaf->count() != 0)
        leaf->erase(static_cast<unsigned>(random.below(leaf->count())));
    CHECK(std::ranges::equal(leaf->bytes(), empty->bytes()));
}

TEST_CASE("a node with any bit of it wrong is refused") {
    random_source random(test_seed() + 4);
    auto leaf = std::make_unique<node>();
    leaf->init(0);
    fill(*leaf, random);
    REQUIRE(sealed_and_checked(*leaf) == "");
    for (int i = 0; i < 2000; ++i) {
        const std::size_t at = random.below(block_bytes);
        const auto bit = std::byte{1} << random.below(8);
        leaf->bytes()[at] ^= bit;
        REQUIRE(leaf->check(self, 0, uuid_of_tests()) != "");
        leaf->bytes()[at] ^= bit;
    }
    CHECK(leaf->check({78, 5}, 0, uuid_of_tests()) == "is a node of another block");
    CHECK(leaf->check({77, 4}, 0, uuid_of_tests()) != "");
    CHECK(leaf->check(self, 1, uuid_of_tests()) == "has a wrong level");
    CHECK(leaf->check(self, 0, {}) == "is of another filesystem");
}
