// SPDX-License-Identifier: Apache-2.0
// Images whose checksums are right and whose tree is not: each is refused by who comes there, and nothing
// that changes the tree does more than say so.
#include "fsdemo/node.hpp"
#include "tests/fsdemo/volume_rig.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t item_count = 12'000; // for a tree of three levels

class damaged_image {
  public:
    damaged_image() : rig_(2048) {
        for (std::uint64_t n = 0; n < item_count; ++n) {
            const auto key = file_extent_key(2 + n * 2654435761 % 100'000, n << block_bits);
            REQUIRE_FALSE(rig_.tree().insert(key, counting_bytes(24)));
            if (n % 3000 == 0)
                REQUIRE_FALSE(rig_.vol().commit());
        }
        REQUIRE_FALSE(rig_.vol().commit());
        walk_ = rig_.walk();
        REQUIRE(walk_.super.root_level == 2);
        good_ = rig_.image;
    }

    const superblock& super() const { return walk_.super; }

    /// Of an image as it should be.
    void restore() { rig_.image = good_; }

    node load(block_number block) const {
        node n;
        std::ranges::copy(bytes_view(rig_.image).subspan(block * block_bytes, block_bytes),
                          n.bytes().begin());
        return n;
    }
    void store(block_number block, node& n) {
        n.seal({block, n.generation()}, walk_.super.uuid);
        std::ranges::copy(n.bytes(), rig_.image.begin() + static_cast<std::ptrdiff_t>(block * block_bytes));
    }

    /// A look at every item, as what is there is read. The first error.
    std::error_code look_at_all() {
        rig_.open();
        for (tree_key key{};;) {
            const auto found = rig_.tree().at_or_after(key);
            if (!found)
                return found.error();
            if (!*found)
                break;
            REQUIRE((*found)->key >= key);
            key = (*found)->key;
            ++key.offset;
        }
        for (const auto& [key, data] : walk_.items) {
            const auto found = rig_.tree().at_or_before(key);
            if (!found)
                return found.error();
        }
        return {};
    }

    /// Whatever comes of it, it is an error and no more.
    std::error_code change_all() {
        rig_.open();
        const auto data = counting_bytes(24);
        std::error_code first;
        const auto note = [&first](std::error_code error) {
            if (!first && error)
                first = error;
        };
        for (const auto& [key, old] : walk_.items) {
            if (key.type != item_type::file_extent)
                continue;
            note(rig_.tree().insert({key.type, key.object, key.offset + 1}, data));
            if (key.offset % 3 != 0)
                note(rig_.tree().erase(key));
        }
        note(rig_.vol().commit());
        return first;
    }

  private:
    volume_rig rig_;
    image_walk walk_;
    std::vector<std::byte> good_;
};

/// A way down: a slot of the root, and one of the node there.
struct place {
    node root;
    node middle;
    unsigned root_slot;
    unsigned slot;

    node_ref middle_ref() const { return root.child(root_slot); }
    node_ref leaf_ref() const { return middle.child(slot); }
};

place somewhere(const damaged_image& image, random_source& random) {
    place p{image.load(image.super().root.block), {}, 0, 0};
    p.root_slot = static_cast<unsigned>(random.below(p.root.count() - 1));
    p.middle = image.load(p.middle_ref().block);
    p.slot = static_cast<unsigned>(random.below(p.middle.count()));
    return p;
}

void raise_last_key(node& n, std::uint64_t object) {
    const tree_key last = n.key(n.count() - 1);
    const auto data = std::as_const(n).item(n.count() - 1);
    const std::vector copy(data.begin(), data.end());
    n.erase(n.count() - 1);
    n.insert_item(n.count(), {last.type, object, last.offset}, copy);
}

using damage = void (*)(damaged_image&, place&);

struct damage_kind {
    const char* name;
    damage inflict;
};

const std::array damages{
    damage_kind{"a child beyond the image",
                [](damaged_image& image, place& p) {
                    p.middle.set_child(p.slot, {image.super().blocks, 1});
                    image.store(p.middle_ref().block, p.middle);
                }},
    damage_kind{"a superblock for a child",
                [](damaged_image& image, place& p) {
                    p.middle.set_child(p.slot, {1, 1});
                    image.store(p.middle_ref().block, p.middle);
                }},
    damage_kind{"a child whose number is that of a node in memory",
                [](damaged_image& image, place& p) {
                    for (unsigned slot = 0; slot < p.middle.count(); ++slot)
                        p.middle.set_child(slot, {(std::uint64_t{1} << 63) + slot, 0});
                    image.store(p.middle_ref().block, p.middle);
                }},
    damage_kind{"a child that is newer than its parent",
                [](damaged_image& image, place& p) {
                    node leaf = image.load(p.leaf_ref().block);
                    const node_ref ref{p.leaf_ref().block, p.middle.generation() + 1};
                    leaf.seal(ref, image.super().uuid);
                    image.store(ref.block, leaf);
                    p.middle.set_child(p.slot, ref);
                    image.store(p.middle_ref().block, p.middle);
                }},
    damage_kind{"a child of another generation",
                [](damaged_image& image, place& p) {
                    p.middle.set_child(p.slot, {p.leaf_ref().block, p.leaf_ref().generation - 1});
                    image.store(p.middle_ref().block, p.middle);
                }},
    damage_kind{"the neighbour's child",
                [](damaged_image& image, place& p) {
                    p.middle.set_child(p.slot, p.middle.child(p.slot == 0 ? 1 : p.slot - 1));
                    image.store(p.middle_ref().block, p.middle);
                }},
    damage_kind{"a node of the level above",
                [](damaged_image& image, place& p) {
                    p.middle.set_child(p.slot, p.middle_ref());
                    image.store(p.middle_ref().block, p.middle);
                }},
    damage_kind{"a leaf without items",
                [](damaged_image& image, place& p) {
                    node leaf = image.load(p.leaf_ref().block);
                    while (leaf.count() != 0)
                        leaf.erase(0);
                    image.store(p.leaf_ref().block, leaf);
                }},
    damage_kind{"a key less than the parent's",
                [](damaged_image& image, place& p) {
                    const tree_key key = p.middle.key(p.slot);
                    p.middle.set_key(p.slot, {key.type, key.object, key.offset + 1});
                    image.store(p.middle_ref().block, p.middle);
                }},
    damage_kind{"the last key beyond what the parent says",
                [](damaged_image& image, place& p) {
                    const bool is_last = p.slot + 1 == p.middle.count();
                    const tree_key end = is_last ? p.root.key(p.root_slot + 1) : p.middle.key(p.slot + 1);
                    node leaf = image.load(p.leaf_ref().block);
                    raise_last_key(leaf, end.object + 1);
                    image.store(p.leaf_ref().block, leaf);
                }},
    damage_kind{"the last key beyond what the parent's parent says",
                [](damaged_image& image, place& p) {
                    p.slot = p.middle.count() - 1;
                    node leaf = image.load(p.leaf_ref().block);
                    raise_last_key(leaf, p.root.key(p.root_slot + 1).object + 1);
                    image.store(p.leaf_ref().block, leaf);
                }},
};

} // namespace

TEST_CASE("a tree that is damaged under right checksums is refused") {
    random_source random(test_seed());
    damaged_image image;
    REQUIRE_FALSE(image.look_at_all());
    for (const damage_kind& kind : damages) {
        CAPTURE(std::string(kind.name));
        for (int i = 0; i < 4; ++i) {
            image.restore();
            place p = somewhere(image, random);
            kind.inflict(image, p);
            CHECK(image.look_at_all().value() == EUCLEAN);
            CHECK(image.change_all().value() == EUCLEAN);
        }
    }
}
