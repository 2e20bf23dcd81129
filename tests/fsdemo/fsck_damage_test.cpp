// SPDX-License-Identifier: Apache-2.0
// For each rule of docs/fsdemo-format.md an image that breaks it and no other, and what fsck says of it.

#include "tests/fsdemo/fsck_rig.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <ostream>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

using kind = finding_kind;

/// A finding without its sentence. Of an expected one only what is named counts.
struct place {
    finding_kind which{};
    std::optional<block_number> block = {};
    std::optional<tree_key> key = {};
    std::optional<inode_number> inode = {};

    bool fits(const fsck_finding& found) const {
        return found.kind == which && (!block || found.block == block) && (!key || found.key == key) &&
               (!inode || found.inode == inode);
    }
};
using places = std::vector<place>;

place at_block(finding_kind which, block_number block) {
    return {.which = which, .block = block};
}
place at_key(finding_kind which, const tree_key& key) {
    return {.which = which, .key = key};
}
place at_inode(finding_kind which, inode_number inode) {
    return {.which = which, .inode = inode};
}

struct damage {
    const char* what;
    /// Makes it; returns all that there is to be found.
    std::function<places(fsck_rig&, const sample&)> make;
    const char* sentence; // a part of the first one found
};

std::string listed(const fsck_report& report) {
    std::string text;
    for (const fsck_finding& found : report.findings)
        text += std::string(name_of(found.kind)) + ": " + found.path + ": " + found.what + '\n';
    return text;
}

void check_found(const damage& injected) {
    INFO(injected.what);
    fsck_rig rig(4096);
    const sample made(rig);
    const places expected = injected.make(rig, made);
    const fsck_report report = rig.check();
    CAPTURE(listed(report));
    REQUIRE(report.findings.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(expected[i].fits(report.findings[i]));
    CHECK(report.findings.front().what.find(injected.sentence) != std::string::npos);
}

// --- for all ---

constexpr inode_number nobody = 4711;

tree_key entry_key(inode_number directory, std::uint64_t hash) {
    return {item_type::dir_entry, directory, hash};
}

std::uint64_t hash_of(fsck_rig& rig, std::string_view name) {
    return hash_name(rig.super().uuid, name);
}

void done(std::error_code error) {
    REQUIRE_MESSAGE(!error, error.message());
}

void put(fsck_rig& rig, const tree_key& key, bytes_view data) {
    rig.with_volume([&](volume& v) { done(v.tree().insert(key, data)); });
}
void take(fsck_rig& rig, const tree_key& key) {
    rig.with_volume([&](volume& v) { done(v.tree().erase(key)); });
}
std::vector<std::byte> read(fsck_rig& rig, const tree_key& key) {
    std::vector<std::byte> data;
    rig.edit_item(key, [&](bytes_span bytes) { data.assign(bytes.begin(), bytes.end()); });
    return data;
}
void change_byte(fsck_rig& rig, const tree_key& key, std::size_t at) {
    rig.edit_item(key, [at](bytes_span bytes) { bytes[at] ^= std::byte{0x40}; });
}
template <typename Integer>
void set_number(fsck_rig& rig, const tree_key& key, std::size_t at, Integer value) {
    rig.edit_item(key, [=](bytes_span bytes) { store_little(bytes.data() + at, value); });
}

void put_inode(fsck_rig& rig, inode_number number, const inode_item& item) {
    put(rig, inode_key(number), encode(item));
    rig.edit_super([&](superblock& super) { super.next_inode = std::max(super.next_inode, number + 1); });
}
void put_entry(fsck_rig& rig, inode_number directory, std::uint64_t hash, const dir_entry_item& entry) {
    put(rig, entry_key(directory, hash), encode(entry));
}
void put_parent(fsck_rig& rig, inode_number inode, inode_number parent) {
    set_number(rig, inode_key(inode), 16, parent);
}

file_extent_item part_of(fsck_rig& rig, inode_number inode, std::uint64_t offset_bytes) {
    const auto key = file_extent_key(inode, offset_bytes);
    return *decode_file_extent(key, read(rig, key), rig.super().blocks);
}
extent_item extent_at(fsck_rig& rig, block_number first) {
    return *decode_extent(extent_key(first), read(rig, extent_key(first)), rig.super().blocks);
}
void set_references(fsck_rig& rig, block_number first, std::uint32_t references) {
    set_number(rig, extent_key(first), 4, references);
}
/// One more part, and one more reference.
tree_key add_part(fsck_rig& rig, inode_number inode, std::uint64_t at_bytes, const file_extent_item& part) {
    put(rig, file_extent_key(inode, at_bytes), encode(part));
    set_references(rig, part.extent, extent_at(rig, part.extent).references + 1);
    return file_extent_key(inode, at_bytes);
}

constexpr std::uint64_t hole_bytes = 5 * block_bytes; // in the middle of the samples' files

block_run free_run(fsck_rig& rig, std::size_t index) {
    const tree_key key = rig.keys_of(item_type::free)[index];
    return {key.object, decode_free(key, read(rig, key), rig.super().blocks)->blocks};
}
void add_free(fsck_rig& rig, std::int64_t blocks) {
    rig.edit_super([blocks](superblock& super) { super.free_blocks += static_cast<std::uint64_t>(blocks); });
}

/// A leaf that is not the root, and its parent.
struct leaf_place {
    block_number parent, leaf;
    unsigned slot;
};
leaf_place second_leaf(fsck_rig& rig) {
    const block_number root = rig.super().root.block;
    const node top = rig.node_at(root);
    REQUIRE(top.level() == 1);
    REQUIRE(top.count() > 3);
    return {root, top.child(1).block, 1};
}

// A damage of the second leaf by itself.
damage of_leaf(const char* what, std::function<void(node&)> edit, const char* sentence) {
    return {what,
            [edit](fsck_rig& rig, const sample&) -> places {
                const block_number leaf = second_leaf(rig).leaf;
                rig.edit_node(leaf, edit);
                return {at_block(kind::node, leaf)};
            },
            sentence};
}

void check_all(const std::vector<damage>& damages) {
    for (const damage& injected : damages)
        check_found(injected);
}

} // namespace

TEST_CASE("what is wrong with superblocks is found") {
    check_all({
        {"a state in the other's place",
         [](fsck_rig& rig, const sample&) -> places {
             const block_number block = rig.super().generation % 2;
             rig.edit_super([](superblock& super) { ++super.generation; });
             return {at_block(kind::superblock, block)};
         },
         "belongs into the other superblock"},
        {"the previous state in the other's place",
         [](fsck_rig& rig, const sample&) -> places {
             superblock super = rig.super();
             const block_number other = 1 - super.generation % 2;
             super.generation -= 2;
             super.root.generation = 1;
             encode(super, rig.at(other));
             return {at_block(kind::superblock, other)};
         },
         "belongs into the other superblock"},
        {"a state of another filesystem",
         [](fsck_rig& rig, const sample&) -> places {
             superblock super = rig.super();
             const block_number other = 1 - super.generation % 2;
             super.uuid[0] ^= std::byte{1};
             super.root.generation = 1;
             --super.generation;
             encode(super, rig.at(other));
             return {at_block(kind::superblock, other)};
         },
         "another filesystem"},
        {"an image that was cut off",
         [](fsck_rig& rig, const sample&) -> places {
             const block_number block = rig.super().generation % 2;
             const block_number end = rig.super().blocks;
             superblock super = rig.super();
             super.blocks += 8;
             encode(super, rig.at(block));
             --super.generation;
             --super.root.generation;
             encode(super, rig.at(1 - block));
             return {at_block(kind::superblock, block), at_block(kind::space, end)};
         },
         "only 4096 are there"},
        {"a wrong number of free blocks",
         [](fsck_rig& rig, const sample&) -> places {
             add_free(rig, 1);
             return {at_block(kind::space, rig.super().generation % 2)};
         },
         "and the superblock says"},
        {"an inode with a number to be given out",
         [](fsck_rig& rig, const sample&) -> places {
             const inode_number last = rig.keys_of(item_type::inode).back().object;
             rig.edit_super([last](superblock& super) { super.next_inode = last; });
             return {at_inode(kind::inode, last)};
         },
         "not less than the next one"},
    });
}

TEST_CASE("what is wrong with a node is found, and nothing below it reported") {
    check_all({
        {"a wrong checksum",
         [](fsck_rig& rig, const sample&) -> places {
             const block_number leaf = second_leaf(rig).leaf;
             rig.at(leaf)[1000] ^= std::byte{1};
             return {at_block(kind::node, leaf)};
         },
         "wrong checksum"},
        {"the node of another block",
         [](fsck_rig& rig, const sample&) -> places {
             const block_number leaf = second_leaf(rig).leaf;
             node what = rig.node_at(leaf);
             what.seal({leaf + 1, what.generation()}, rig.super().uuid);
             std::ranges::copy(what.bytes(), rig.at(leaf).begin());
             return {at_block(kind::node, leaf)};
         },
         "of another block"},
        {"an older node",
         [](fsck_rig& rig, const sample&) -> places {
             const block_number leaf = second_leaf(rig).leaf;
             node what = rig.node_at(leaf);
             what.seal({leaf, what.generation() - 1}, rig.super().uuid);
             std::ranges::copy(what.bytes(), rig.at(leaf).begin());
             return {at_block(kind::node, leaf)};
         },
         "another generation"},
        {"a node that is newer than its parent",
         [](fsck_rig& rig, const sample&) -> places {
             const auto [parent, leaf, slot] = second_leaf(rig);
             const std::uint64_t newer = rig.super().generation + 1;
             node what = rig.node_at(leaf);
             what.seal({leaf, newer}, rig.super().uuid);
             std::ranges::copy(what.bytes(), rig.at(leaf).begin());
             rig.edit_node(parent, [&, slot = slot, leaf = leaf](node& above) {
                 above.set_child(slot, {leaf, newer});
             });
             return {at_block(kind::node, leaf)};
         },
         "newer than what leads to it"},
        {"a node of another filesystem",
         [](fsck_rig& rig, const sample&) -> places {
             const block_number leaf = second_leaf(rig).leaf;
             node what = rig.node_at(leaf);
             what.seal({leaf, what.generation()}, {});
             std::ranges::copy(what.bytes(), rig.at(leaf).begin());
             return {at_block(kind::node, leaf)};
         },
         "another filesystem"},
        of_leaf(
            "a wrong level", [](node& leaf) { leaf.bytes()[40] = std::byte{3}; }, "wrong level"),
        of_leaf(
            "a byte that is not zero", [](node& leaf) { leaf.bytes()[41] = std::byte{1}; }, "not zero"),
        of_leaf(
            "more slots than there can be", [](node& leaf) { leaf.bytes()[43] = std::byte{0xff}; },
            "number of slots"),
        of_leaf(
            "keys out of order", [](node& leaf) { leaf.set_key(1, leaf.key(0)); }, "out of order"),
        of_leaf(
            "data with a gap", [](node& leaf) { leaf.bytes()[48 + 19] ^= std::byte{1}; }, "gaps"),
        of_leaf(
            "a key below what the parent says", [](node& leaf) { leaf.set_key(0, inode_key(1)); },
            "its parent does not lead to"),
        of_leaf(
            "a key above what the parent says",
            [](node& leaf) { leaf.set_key(leaf.count() - 1, free_key(4095)); },
            "its parent does not lead to"),
        of_leaf(
            "no slots below the root",
            [](node& leaf) {
                while (leaf.count() != 0)
                    leaf.erase(0);
            },
            "is empty"),
        {"a node in the tree twice",
         [](fsck_rig& rig, const sample&) -> places {
             const auto [parent, leaf, slot] = second_leaf(rig);
             rig.edit_node(parent, [slot = slot](node& above) { above.set_child(slot, above.child(0)); });
             return {at_block(kind::node, rig.node_at(parent).child(0).block)};
         },
         "twice"},
        {"a node beyond the image",
         [](fsck_rig& rig, const sample&) -> places {
             const auto [parent, leaf, slot] = second_leaf(rig);
             rig.edit_node(parent, [slot = slot](node& above) { above.set_child(slot, {5000, 1}); });
             return {at_block(kind::node, 5000)};
         },
         "not one for nodes"},
        {"a node that is a superblock",
         [](fsck_rig& rig, const sample&) -> places {
             const auto [parent, leaf, slot] = second_leaf(rig);
             rig.edit_node(parent, [slot = slot](node& above) { above.set_child(slot, {1, 1}); });
             return {at_block(kind::node, 1)};
         },
         "not one for nodes"},
        {"a root that cannot be used",
         [](fsck_rig& rig, const sample&) -> places {
             const block_number root = rig.super().root.block;
             rig.at(root)[0] ^= std::byte{1};
             return {at_block(kind::node, root)};
         },
         "wrong checksum"},
    });
}

TEST_CASE("items that cannot be decoded are found by their keys") {
    const auto item = [](const char* what, const tree_key& key, std::size_t size_bytes) {
        return damage{what,
                      [=](fsck_rig& rig, const sample&) -> places {
                          put(rig, key, std::vector<std::byte>(size_bytes));
                          return {at_key(kind::item, key)};
                      },
                      "cannot be under its key"};
    };
    check_all({
        item("of no type", {static_cast<item_type>(0), 1, 2}, 8),
        item("of a type there is not", {static_cast<item_type>(6), 1, 2}, 8),
        item("a short inode", inode_key(nobody), 23),
        item("an inode of no kind", inode_key(nobody), 24),
        item("an inode at an offset", {item_type::inode, 5, 1}, 24),
        item("an entry without a name", entry_key(root_inode, 5), 10),
        item("an entry that leads nowhere", entry_key(root_inode, 5), 12),
        item("a part without a length", file_extent_key(nobody, 0), 24),
        item("an extent without blocks", extent_key(4000), 8),
        {"a part that is not at a block",
         [](fsck_rig& rig, const sample& made) -> places {
             const tree_key key = file_extent_key(made.plain, hole_bytes + 1);
             put(rig, key, encode(part_of(rig, made.plain, 0)));
             return {at_key(kind::item, key)};
         },
         "cannot be"},
        {"a name with a slash",
         [](fsck_rig& rig, const sample& made) -> places {
             const tree_key key = entry_key(root_inode, hash_of(rig, "a/b"));
             put(rig, key, encode(dir_entry_item{made.plain, inode_kind::file, "a/b"}));
             return {at_key(kind::item, key)};
         },
         "cannot be"},
        {"a free run beyond the image",
         [](fsck_rig& rig, const sample&) -> places {
             const tree_key key = rig.keys_of(item_type::free).back();
             set_number<std::uint64_t>(rig, key, 0, 5000);
             return {at_key(kind::item, key)};
         },
         "cannot be"},
    });
}

TEST_CASE("what leads to an item that cannot be decoded, or away from it, is no finding of its own") {
    const auto item = [](const char* what, auto key_of, std::size_t at, std::uint8_t value) {
        return damage{what,
                      [=](fsck_rig& rig, const sample& made) -> places {
                          const tree_key key = key_of(rig, made);
                          set_number(rig, key, at, value);
                          return {at_key(kind::item, key)};
                      },
                      "cannot be under its key"};
    };
    check_all({
        item(
            "a file", [](fsck_rig&, const sample& made) { return inode_key(made.secret); }, 0, 9),
        item(
            "a directory", [](fsck_rig&, const sample& made) { return inode_key(made.directory); }, 0, 9),
        item(
            "the root", [](fsck_rig&, const sample&) { return inode_key(root_inode); }, 0, 9),
        item(
            "a name", [](fsck_rig& rig, const sample&) { return entry_key(root_inode, hash_of(rig, "dir")); },
            9, 7),
        item(
            "a part", [](fsck_rig&, const sample& made) { return file_extent_key(made.plain, 0); }, 8, 1),
        item(
            "an extent",
            [](fsck_rig& rig, const sample& made) {
                return extent_key(part_of(rig, made.plain, 8 * block_bytes).extent);
            },
            0, 0),
        item(
            "a free run", [](fsck_rig& rig, const sample&) { return rig.keys_of(item_type::free)[0]; }, 7, 1),
    });
}

TEST_CASE("blocks that are two things, or none, are found") {
    check_all({
        {"a block that is free and something else",
         [](fsck_rig& rig, const sample&) -> places {
             const block_run run = free_run(rig, 0);
             set_number(rig, free_key(run.first), 0, run.count + 1);
             add_free(rig, 1);
             return {at_block(kind::space, run.end())};
         },
         "and also"},
        {"two extents in one block",
         [](fsck_rig& rig, const sample&) -> places {
             const auto keys = rig.keys_of(item_type::extent);
             for (std::size_t i = 0; i + 1 < keys.size(); ++i) {
                 const extent_item extent = extent_at(rig, keys[i].object);
                 if (keys[i].object + extent.blocks != keys[i + 1].object)
                     continue;
                 set_number(rig, keys[i], 0, extent.blocks + 1);
                 return {at_block(kind::space, keys[i + 1].object)};
             }
             return {};
         },
         "and also of the extent"},
        {"a node in a free run",
         [](fsck_rig& rig, const sample&) -> places {
             const block_run run = free_run(rig, 0);
             const block_number root = run.first + run.count / 2;
             superblock super = rig.super();
             const block_number old = super.root.block;
             node what = rig.node_at(old);
             what.seal({root, what.generation()}, super.uuid);
             std::ranges::copy(what.bytes(), rig.at(root).begin());
             rig.edit_super([root](superblock& edited) { edited.root.block = root; });
             places expected{at_block(kind::space, root), at_block(kind::space, old)};
             std::ranges::sort(expected, {}, [](const place& p) { return *p.block; });
             return expected;
         },
         "block"},
        {"blocks that are nothing",
         [](fsck_rig& rig, const sample&) -> places {
             block_run taken;
             rig.with_volume([&](volume& v) { taken = *v.room().take(3); });
             return {at_block(kind::space, taken.first)};
         },
         "are nothing"},
        {"a last block that is nothing",
         [](fsck_rig& rig, const sample&) -> places {
             const auto runs = rig.keys_of(item_type::free);
             const block_run run = free_run(rig, runs.size() - 1);
             REQUIRE(run.end() == 4096);
             set_number(rig, free_key(run.first), 0, run.count - 1);
             add_free(rig, -1);
             return {at_block(kind::space, 4095)};
         },
         "block 4095 is nothing"},
        {"free runs that touch",
         [](fsck_rig& rig, const sample&) -> places {
             const block_run run = free_run(rig, rig.keys_of(item_type::free).size() - 1);
             const std::uint64_t half = run.count / 2;
             const tree_key key = free_key(run.first);
             set_number(rig, key, 0, half);
             rig.edit_node(rig.leaf_of(key), [&](node& leaf) {
                 REQUIRE(leaf.has_room_for(8));
                 leaf.insert_item(leaf.lower_bound(key) + 1, free_key(run.first + half),
                                  encode(free_item{run.count - half}));
             });
             return {at_block(kind::space, run.first + half)};
         },
         "touches"},
    });
}

TEST_CASE("what is wrong between files and extents is found") {
    check_all({
        {"a reference too many",
         [](fsck_rig& rig, const sample& made) -> places {
             const block_number first = part_of(rig, made.plain, 0).extent;
             set_references(rig, first, extent_at(rig, first).references + 1);
             return {at_block(kind::extent, first)};
         },
         "references, and says"},
        {"data of an inode that is not there",
         [](fsck_rig& rig, const sample& made) -> places {
             const tree_key key = add_part(rig, nobody, 0, part_of(rig, made.plain, 0));
             return {{.which = kind::extent, .key = key, .inode = nobody}};
         },
         "which is not there"},
        {"data of a directory",
         [](fsck_rig& rig, const sample& made) -> places {
             const tree_key key = add_part(rig, made.directory, 0, part_of(rig, made.plain, 0));
             return {{.which = kind::extent, .key = key, .inode = made.directory}};
         },
         "a directory"},
        {"parts that overlap",
         [](fsck_rig& rig, const sample& made) -> places {
             const tree_key key =
                 add_part(rig, made.plain, 9 * block_bytes, part_of(rig, made.plain, 8 * block_bytes));
             // The file has to be long enough for it.
             set_number<std::uint64_t>(rig, inode_key(made.plain), 8, 12 * block_bytes);
             return {{.which = kind::extent, .key = key, .inode = made.plain}};
         },
         "overlaps the one at byte 32768"},
        {"a part beyond the end of its file",
         [](fsck_rig& rig, const sample& made) -> places {
             set_number<std::uint64_t>(rig, inode_key(made.plain), 8, 10 * block_bytes);
             return {{.which = kind::extent,
                      .key = file_extent_key(made.plain, 8 * block_bytes),
                      .inode = made.plain}};
         },
         "and the file at byte 40960"},
        {"a part of an extent that is not there",
         [](fsck_rig& rig, const sample& made) -> places {
             const file_extent_item part = part_of(rig, made.plain, 0);
             const tree_key key = file_extent_key(made.plain, hole_bytes);
             put(rig, key, encode(file_extent_item{part.extent + 1, 0, block_bytes}));
             return {at_key(kind::extent, key)};
         },
         "which is not there"},
        {"a part that is longer than its extent",
         [](fsck_rig& rig, const sample& made) -> places {
             const file_extent_item part = part_of(rig, made.plain, 0);
             const std::uint64_t end = extent_at(rig, part.extent).length_bytes();
             const tree_key key =
                 add_part(rig, made.plain, hole_bytes, {part.extent, end - block_bytes, 2 * block_bytes});
             return {at_key(kind::extent, key)};
         },
         "reaches beyond the extent"},
        {"a plain extent in an encrypted file",
         [](fsck_rig& rig, const sample& made) -> places {
             const file_extent_item part{part_of(rig, made.plain, 0).extent, 0, block_bytes};
             return {at_key(kind::context, add_part(rig, made.secret, hole_bytes, part))};
         },
         "is not encrypted, and its file is"},
        {"an encrypted extent in a plain file",
         [](fsck_rig& rig, const sample& made) -> places {
             const file_extent_item part{part_of(rig, made.secret, 0).extent, 0, block_bytes};
             return {at_key(kind::context, add_part(rig, made.plain, hole_bytes, part))};
         },
         "is encrypted, and its file is not"},
    });
}

TEST_CASE("an extent's context that does not fit is found at each part of it") {
    const auto context = [](const char* what, std::size_t at, const char* sentence) {
        return damage{what,
                      [at](fsck_rig& rig, const sample&) -> places {
                          const inode_number deep = rig.keys_of(item_type::file_extent).back().object;
                          const file_extent_item part = part_of(rig, deep, 0);
                          REQUIRE(extent_at(rig, part.extent).references == 1);
                          change_byte(rig, extent_key(part.extent), at);
                          return {{.which = kind::context, .key = file_extent_key(deep, 0), .inode = deep}};
                      },
                      sentence};
    };
    check_all({
        context("its version", 8, "Invalid extent encryption context version"),
        context("its mode", 9, "Mismatching encryption mode"),
        context("its master key", 10, "Mismatching master key identifier"),
    });
}

TEST_CASE("policies that are none, or not those of the directory, are found") {
    constexpr std::size_t policy_at = 24;
    check_all({
        {"modes there are not",
         [](fsck_rig& rig, const sample& made) -> places {
             change_byte(rig, inode_key(made.stray), policy_at + 1);
             return {at_inode(kind::policy, made.stray)};
         },
         "Unsupported encryption modes"},
        {"flags there are not",
         [](fsck_rig& rig, const sample& made) -> places {
             change_byte(rig, inode_key(made.stray), policy_at + 3);
             return {at_inode(kind::policy, made.stray)};
         },
         "Unsupported encryption flags"},
        {"reserved bytes",
         [](fsck_rig& rig, const sample& made) -> places {
             change_byte(rig, inode_key(made.stray), policy_at + 6);
             return {at_inode(kind::policy, made.stray)};
         },
         "Reserved bits"},
        {"another master key than the directory's",
         [](fsck_rig& rig, const sample& made) -> places {
             change_byte(rig, inode_key(made.unwritten), policy_at + 8);
             return {at_inode(kind::policy, made.unwritten)};
         },
         "policy of its directory"},
        {"a plain file in an encrypted directory",
         [](fsck_rig& rig, const sample& made) -> places {
             put_inode(rig, nobody, {inode_kind::file, 0, made.vault, {}});
             put_entry(rig, made.vault, hash_of(rig, "n"), {nobody, inode_kind::file, "n"});
             return {at_inode(kind::policy, nobody)};
         },
         "policy of its directory"},
    });
}

TEST_CASE("what is wrong with names is found") {
    check_all({
        {"a wrong hash",
         [](fsck_rig& rig, const sample& made) -> places {
             const std::uint64_t hash = hash_of(rig, "plain");
             take(rig, entry_key(root_inode, hash));
             put_entry(rig, root_inode, hash ^ 0x100, {made.plain, inode_kind::file, "plain"});
             return {at_key(kind::dir_entry, entry_key(root_inode, hash ^ 0x100))};
         },
         "hash"},
        {"a wrong kind",
         [](fsck_rig& rig, const sample&) -> places {
             const tree_key key = entry_key(root_inode, hash_of(rig, "plain"));
             set_number(rig, key, 8, std::uint8_t{2});
             return {at_key(kind::dir_entry, key)};
         },
         "is a directory, which it is not"},
        {"a name of nothing",
         [](fsck_rig& rig, const sample&) -> places {
             const std::uint64_t hash = hash_of(rig, "n");
             put_entry(rig, root_inode, hash, {nobody, inode_kind::file, "n"});
             return {at_key(kind::dir_entry, entry_key(root_inode, hash))};
         },
         "which is not there"},
        {"a name in a directory that is not there",
         [](fsck_rig& rig, const sample& made) -> places {
             const std::uint64_t hash = hash_of(rig, "plain");
             take(rig, entry_key(root_inode, hash));
             put_entry(rig, nobody, hash, {made.plain, inode_kind::file, "plain"});
             put_parent(rig, made.plain, nobody);
             return {at_key(kind::dir_entry, entry_key(nobody, hash))};
         },
         "which is not there"},
        {"a name in a file",
         [](fsck_rig& rig, const sample& made) -> places {
             const std::uint64_t hash = hash_of(rig, "plain");
             take(rig, entry_key(root_inode, hash));
             put_entry(rig, made.twin, hash, {made.plain, inode_kind::file, "plain"});
             put_parent(rig, made.plain, made.twin);
             return {at_key(kind::dir_entry, entry_key(made.twin, hash))};
         },
         "a file"},
        {"the same name twice",
         [](fsck_rig& rig, const sample&) -> places {
             const std::uint64_t hash = hash_of(rig, "plain") + 1;
             put_inode(rig, nobody, {inode_kind::file, 0, root_inode, {}});
             put_entry(rig, root_inode, hash, {nobody, inode_kind::file, "plain"});
             return {at_key(kind::dir_entry, entry_key(root_inode, hash))};
         },
         "of the same name"},
        {"an inode with two names",
         [](fsck_rig& rig, const sample& made) -> places {
             put_entry(rig, root_inode, hash_of(rig, "n"), {made.plain, inode_kind::file, "n"});
             return {at_inode(kind::inode, made.plain)};
         },
         "2 names"},
        {"an inode without a name",
         [](fsck_rig& rig, const sample& made) -> places {
             take(rig, entry_key(root_inode, hash_of(rig, "plain")));
             return {at_inode(kind::inode, made.plain)};
         },
         "no name"},
        {"a directory without a name, with much below",
         [](fsck_rig& rig, const sample& made) -> places {
             take(rig, entry_key(root_inode, hash_of(rig, "dir")));
             return {at_inode(kind::inode, made.directory)};
         },
         "no name"},
    });
}

TEST_CASE("what is wrong with the place of inodes is found") {
    check_all({
        {"another parent than the directory it is in",
         [](fsck_rig& rig, const sample& made) -> places {
             put_parent(rig, made.plain, made.directory);
             return {at_inode(kind::inode, made.plain)};
         },
         "and its name is in inode 1"},
        {"a directory below itself",
         [](fsck_rig& rig, const sample& made) -> places {
             const std::uint64_t hash = hash_of(rig, "dir");
             take(rig, entry_key(root_inode, hash));
             put_entry(rig, made.below, hash, {made.directory, inode_kind::directory, "dir"});
             put_parent(rig, made.directory, made.below);
             return {at_inode(kind::inode, made.directory)};
         },
         "below itself"},
        {"no root",
         [](fsck_rig& rig, const sample&) -> places {
             take(rig, inode_key(root_inode));
             return {at_inode(kind::inode, root_inode)};
         },
         "no root directory"},
        {"a root that is a file",
         [](fsck_rig& rig, const sample&) -> places {
             set_number(rig, inode_key(root_inode), 0, std::uint8_t{1});
             return {at_inode(kind::inode, root_inode)};
         },
         "not a directory"},
        {"a root in something else",
         [](fsck_rig& rig, const sample& made) -> places {
             put_parent(rig, root_inode, made.directory);
             return {at_inode(kind::inode, root_inode)};
         },
         "the root says"},
    });
}

TEST_CASE("a finding names the path") {
    fsck_rig rig(4096);
    const sample made(rig);
    put_parent(rig, made.twin, root_inode);
    const tree_key key = entry_key(made.vault, hash_of(rig, "secret"));
    set_number(rig, key, 8, std::uint8_t{2});
    const fsck_report report = rig.check();
    REQUIRE(report.findings.size() == 2);
    CHECK(report.findings[0].path == "/vault/secret");
    CHECK(report.findings[1].path == "/dir/below/twin");
}
