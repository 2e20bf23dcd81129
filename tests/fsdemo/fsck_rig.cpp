// SPDX-License-Identifier: Apache-2.0
#include "tests/fsdemo/fsck_rig.hpp"

#include <algorithm>
#include <doctest/doctest.h>

namespace blkcrypto::test {

using namespace blkcrypto::fsdemo;

namespace {

template <typename Result>
auto done(Result&& result) {
    REQUIRE_MESSAGE(result.has_value(), result.error().message());
    return std::move(*result);
}
void done(std::error_code error) {
    REQUIRE_MESSAGE(!error, error.message());
}

} // namespace

std::string numbered(std::string_view name, int number) {
    return std::string(name).append(std::to_string(number));
}

fsck_rig::fsck_rig(std::uint64_t blocks)
    : image(blocks * block_bytes), device(make_memory_device(image)),
      stack_(e, *device, crypt_path::fallback) {
    done(demo_fs::format(*device, e, test_uuid));
}

void fsck_rig::with_fs(const std::function<void(demo_fs&, const key_identifier&)>& work) {
    std::string why;
    const auto fs = done(demo_fs::mount(stack_.door(), {}, why));
    work(*fs, done(fs->keys().add(master_key_bytes(1))));
    done(fs->sync());
}

void fsck_rig::with_volume(const std::function<void(volume&)>& work) {
    std::string why;
    const auto opened = done(volume::open(*device, e, {}, why));
    work(*opened);
    const std::error_code error = opened->commit();
    REQUIRE_MESSAGE(!error, opened->trouble());
}

superblock fsck_rig::super() const {
    superblock newest;
    for (block_number block = 0; block < superblock_count; ++block) {
        std::string_view why;
        const auto bytes = bytes_view(image).subspan(block * block_bytes).first<block_bytes>();
        const auto super = decode_superblock(bytes, why);
        if (super && super->generation > newest.generation)
            newest = *super;
    }
    return newest;
}

// In the place that its generation had before.
void fsck_rig::edit_super(const std::function<void(superblock&)>& edit) {
    superblock edited = super();
    const block_number block = edited.generation % superblock_count;
    edit(edited);
    encode(edited, at(block));
}

block_bytes_span fsck_rig::at(block_number block) {
    return bytes_span(image).subspan(block * block_bytes).first<block_bytes>();
}

node fsck_rig::node_at(block_number block) {
    node read;
    std::ranges::copy(at(block), read.bytes().begin());
    return read;
}

void fsck_rig::edit_node(block_number block, const std::function<void(node&)>& edit) {
    node edited = node_at(block);
    const std::uint64_t generation = edited.generation();
    edit(edited);
    edited.seal({block, generation}, super().uuid);
    std::ranges::copy(edited.bytes(), at(block).begin());
}

std::vector<block_number> fsck_rig::way_to(const tree_key& key) {
    std::vector<block_number> way{super().root.block};
    for (node here = node_at(way.back()); !here.is_leaf(); here = node_at(way.back()))
        way.push_back(here.child(here.slot_towards(key)).block);
    return way;
}

void fsck_rig::edit_item(const tree_key& key, const std::function<void(bytes_span)>& edit) {
    edit_node(leaf_of(key), [&](node& leaf) {
        const unsigned slot = leaf.lower_bound(key);
        REQUIRE(slot != leaf.count());
        REQUIRE((leaf.key(slot) == key));
        edit(leaf.item(slot));
    });
}

std::vector<block_number> fsck_rig::all_nodes() {
    std::vector<block_number> nodes{super().root.block};
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const node here = node_at(nodes[i]);
        for (unsigned slot = 0; !here.is_leaf() && slot < here.count(); ++slot)
            nodes.push_back(here.child(slot).block);
    }
    return nodes;
}

std::vector<tree_key> fsck_rig::keys_of(item_type type) {
    std::vector<tree_key> keys;
    for (const block_number block : all_nodes()) {
        const node here = node_at(block);
        for (unsigned slot = 0; here.is_leaf() && slot < here.count(); ++slot)
            if (here.key(slot).type == type)
                keys.push_back(here.key(slot));
    }
    std::ranges::sort(keys);
    return keys;
}

fsck_report fsck_rig::check(std::size_t max_findings) {
    std::string why;
    auto report = fsdemo::check(*device, e, {.max_findings = max_findings}, why);
    REQUIRE_MESSAGE(report.has_value(), why);
    return std::move(*report);
}

namespace {

void write_file(demo_fs& fs, open_file& file, std::uint64_t offset_bytes, std::size_t size_bytes) {
    done(write_at(fs, file, offset_bytes, random_bytes(size_bytes, offset_bytes)));
}

/// Four blocks, a hole of as many, two and a half blocks; the second block is written again.
inode_number make_file(demo_fs& fs, inode_number parent, std::string_view name) {
    const inode_number inode = done(fs.create_file(parent, name));
    const file_handle file = done(fs.open(inode));
    write_file(fs, *file, 0, 4 * block_bytes);
    write_file(fs, *file, 8 * block_bytes, 2 * block_bytes + block_bytes / 2);
    return inode;
}

inode_number reflink(demo_fs& fs, inode_number from, inode_number parent, std::string_view name) {
    const file_handle file = done(fs.open(from));
    return done(fs.reflink(*file, parent, name));
}

void overwrite(demo_fs& fs, inode_number inode) {
    const file_handle file = done(fs.open(inode));
    write_file(fs, *file, block_bytes, block_bytes);
}

} // namespace

sample::sample(fsck_rig& on) {
    on.with_fs([&](demo_fs& fs, const key_identifier& key) {
        const auto policy = policy_under(key, fscrypt_mode::aes_256_xts);
        std::string_view why;
        vault = done(fs.make_directory(root_inode, "vault"));
        done(fs.set_policy(vault, encode(policy), why));
        directory = done(fs.make_directory(root_inode, "dir"));
        below = done(fs.make_directory(directory, "below"));
        plain = make_file(fs, root_inode, "plain");
        secret = make_file(fs, vault, "secret");
        unwritten = done(fs.create_file(vault, "unwritten"));
        stray = done(fs.create_file(vault, "stray"));
        done(fs.rename(vault, "stray", root_inode, "stray"));
    });
    on.with_fs([&](demo_fs& fs, const key_identifier&) {
        twin = reflink(fs, plain, below, "twin");
        reflink(fs, secret, vault, "copy");
        const inode_number changed = reflink(fs, plain, root_inode, "changed");
        overwrite(fs, changed);
        overwrite(fs, reflink(fs, secret, vault, "changed"));
        const inode_number nested = done(fs.make_directory(vault, "nested"));
        make_file(fs, nested, "deep");
        for (int i = 0; i < 100; ++i) {
            const inode_number sub = done(fs.make_directory(directory, numbered("d", i)));
            done(fs.create_file(sub, "f"));
        }
    });
    on.with_fs([&](demo_fs& fs, const key_identifier&) {
        for (int i = 0; i < 100; i += 7) {
            const inode_number sub = done(fs.lookup_in(directory, numbered("d", i)));
            done(fs.remove(sub, "f"));
            done(fs.remove(directory, numbered("d", i)));
        }
        const file_handle file = done(fs.open(done(fs.lookup("/vault/nested/deep"))));
        done(fs.truncate(*file, block_bytes + 100));
    });
}

} // namespace blkcrypto::test
