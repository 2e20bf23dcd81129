// SPDX-License-Identifier: Apache-2.0
// What lies on the medium for encrypted files, who may read it, and what its encryption depends on: looked at
// through the filesystem, by the reference's own cipher and key derivation.
#include "fsdemo/directory.hpp"
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/support/fscrypt_hkdf.hpp"
#include "tests/support/property.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

using byte_vector = std::vector<std::byte>;

// As policies have it.
constexpr std::uint8_t unit_512 = 9, unit_2048 = 11, unit_4096 = 12;

template <typename Check>
void for_each_setup(const Check& check) {
    for (const crypt_path path : both_paths)
        for (const fscrypt_mode mode : contents_modes) {
            const std::string name(name_of(mode));
            INFO(name << (path == crypt_path::fallback ? ", fallback" : ", inline engine"));
            check(path, mode);
        }
}

bool is_zero(bytes_view bytes) {
    return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

byte_vector concatenated(const byte_vector& a, const byte_vector& b) {
    byte_vector both(a);
    both.insert(both.end(), b.begin(), b.end());
    return both;
}

block_number first_block_of_extent(const extent_row& row) {
    return (row.physical_offset_bytes - row.extent_offset_bytes) >> block_bits;
}

/// As a damaged or malicious image has it: the part at the beginning of the file is one of another extent.
void point_to(demo_fs& fs, const open_file& file, const extent_row& row) {
    const file_extent_item item{first_block_of_extent(row), 0, row.length_bytes};
    REQUIRE_FALSE(fs.metadata().tree().update(file_extent_key(file.number(), 0), encode(item)));
}

/// What btrfs's balance does: the extent's bytes go elsewhere as they are, its item and its parts follow. The
/// files are closed.
void relocate(crypt_rig& r, block_number from, const std::vector<inode_number>& files) {
    volume& v = r.fs->metadata();
    const tree_key old_key = extent_key(from);
    const auto stored = *v.tree().find(old_key);
    const auto extent = *decode_extent(old_key, stored->data, v.super().blocks);
    const block_run to = *v.room().take(extent.blocks);
    REQUIRE(to.count == extent.blocks);
    const auto bytes = r.medium.medium(sector_of(from), extent.length_bytes());
    std::ranges::copy(bytes, r.medium.medium(sector_of(to.first), extent.length_bytes()).begin());
    REQUIRE_FALSE(v.tree().insert(extent_key(to.first), encode(extent)));
    for (const inode_number file : files)
        for (const file_part& part : *all_parts(v, file)) {
            const file_extent_item moved{to.first, part.offset_bytes, part.end_bytes - part.begin_bytes};
            if (part.extent == from)
                REQUIRE_FALSE(v.tree().update(file_extent_key(file, part.begin_bytes), encode(moved)));
        }
    REQUIRE_FALSE(v.tree().erase(old_key));
    v.room().retire({from, extent.blocks});
}

} // namespace

TEST_CASE(
    "zeroing writes ciphertext that decrypts to zeros, in place and to new blocks, different in each data "
    "unit" *
    PROPERTY(54)) {
    for_each_setup([](crypt_path path, fscrypt_mode mode) {
        for (const std::uint8_t log2_unit : {unit_512, unit_2048, unit_4096})
            for (const bool in_place : {false, true}) {
                crypt_rig r(path);
                const auto file = r.new_encrypted_file("f", mode, log2_unit);
                const auto data = random_bytes(20480, test_seed());
                REQUIRE_FALSE(write_at(*r.fs, *file, 0, data));
                const auto before = r.extents(*file);
                REQUIRE(before.size() == 1);
                const auto stored_before = r.stored(before[0]);

                REQUIRE_FALSE(zero_at(*r.fs, *file, 0, 16384, in_place));
                auto zeroed = r.extents(*file)[0];
                CHECK((zeroed.context->nonce == before[0].context->nonce) == in_place);
                CHECK(r.extents(*file).size() == (in_place ? 1 : 2));
                zeroed.length_bytes = 16384;
                const auto stored = r.stored(zeroed);
                CHECK(is_zero(r.decrypted(*file, zeroed)));
                CHECK(are_different(stored, std::size_t{1} << log2_unit));
                CHECK_FALSE(is_zero(bytes_view(stored).first(512)));
                CHECK(std::ranges::equal(r.stored(before[0]), stored_before) == !in_place);

                // What it does not fill is kept.
                REQUIRE_FALSE(zero_at(*r.fs, *file, 16384 + 100, 1000, in_place));
                auto expected =
                    concatenated(byte_vector(16384), byte_vector(data.begin() + 16384, data.end()));
                std::fill_n(expected.begin() + 16384 + 100, 1000, std::byte{0});
                CHECK(*read_at(*r.fs, *file, 0, expected.size()) == expected);
                byte_vector on_medium;
                for (const extent_row& row : r.extents(*file))
                    on_medium = concatenated(on_medium, r.decrypted(*file, row));
                CHECK(on_medium == expected);
            }
    });
}

TEST_CASE(
    "without its key a file cannot be opened nor made, but is listed and looked up by its name, and may be "
    "removed" *
    PROPERTY(55)) {
    crypt_rig r;
    const auto size = 5000;
    {
        const auto file = r.new_encrypted_file("name", fscrypt_mode::aes_256_xts);
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(size, test_seed())));
    }
    REQUIRE_FALSE(r.fs->sync());
    r.mount(); // nobody has added the key
    const inode_number directory = *r.fs->lookup("/name.d");
    const auto inode = r.fs->lookup_in(directory, "name");
    REQUIRE(inode.has_value());
    CHECK(r.fs->open(*inode).error() == make_error(ENOKEY));
    CHECK(r.fs->create_file(directory, "new").error() == make_error(ENOKEY));
    CHECK(r.fs->make_directory(directory, "new").error() == make_error(ENOKEY));
    CHECK(r.fs->status_of(*inode)->item.size_bytes == size);
    const auto entries = r.fs->list(directory);
    REQUIRE(entries->size() == 1);
    CHECK(entries->front().name == "name");
    CHECK(r.fs->extents_of(*inode)->size() == 1);
    r.add_key(2); // another one is no help
    CHECK(r.fs->open(*inode).error() == make_error(ENOKEY));
    r.add_key();
    CHECK(r.fs->open(*inode).has_value());
    REQUIRE(r.fs->keys()
                .remove_all_users((*r.fs->status_of(*inode)).item.policy()->master_key_identifier)
                .has_value());
    CHECK(r.fs->open(*inode).error() == make_error(ENOKEY));
    CHECK_FALSE(r.fs->remove(directory, "name"));
    CHECK(r.fs->list(directory)->empty());
}

TEST_CASE("renaming and reflinking to another policy are EXDEV, and an entry of another policy than its "
          "directory's is EPERM" *
          PROPERTY(59)) {
    crypt_rig r;
    const auto key = r.add_key(1), other_key = r.add_key(2);
    const auto home = policy_under(key, fscrypt_mode::aes_256_xts);
    const inode_number directory = r.encrypted_directory("home", home);
    const auto file = r.new_file(directory, "f");
    REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(9000, test_seed())));
    const auto plain_file = r.new_file(root_inode, "plain");

    const std::array others{policy_under(other_key, fscrypt_mode::aes_256_xts),
                            policy_under(key, fscrypt_mode::adiantum),
                            policy_under(key, fscrypt_mode::aes_256_xts, 9)};
    for (std::size_t i = 0; i < others.size(); ++i) {
        const inode_number other =
            r.encrypted_directory(std::string(1, static_cast<char>('a' + i)).c_str(), others[i]);
        CHECK(r.fs->rename(directory, "f", other, "g") == make_error(EXDEV));
        CHECK(r.fs->reflink(*file, other, "g").error() == make_error(EXDEV));
        CHECK(r.fs->rename(root_inode, "plain", other, "g") == make_error(EXDEV));
        CHECK(r.fs->reflink(*plain_file, other, "g").error() == make_error(EXDEV));
        CHECK(r.fs->list(other)->empty());
    }
    CHECK(r.fs->reflink(*file, root_inode, "g").error() == make_error(EXDEV));
    const inode_number same = r.encrypted_directory("same", home);
    CHECK(r.fs->reflink(*file, same, "copy").has_value());
    CHECK_FALSE(r.fs->rename(directory, "f", same, "g"));
    CHECK(r.fs->lookup("/same/g").has_value());
    // As in the kernel: what leaves for an unencrypted directory stays encrypted.
    CHECK_FALSE(r.fs->rename(same, "g", root_inode, "g"));
    CHECK(r.fs->open(*r.fs->lookup("/g")).has_value());
    CHECK_FALSE(r.fs->rename(root_inode, "g", same, "g"));

    // On an image that says so, the entry is not to be had, and the others are.
    inode_item item = r.fs->status_of(file->number())->item;
    item.context->policy = others[1];
    REQUIRE_FALSE(store_inode(r.fs->metadata(), file->number(), item));
    CHECK(r.fs->lookup("/same/g").error() == make_error(EPERM));
    CHECK(r.fs->lookup_in(same, "g").error() == make_error(EPERM));
    item.context.reset();
    REQUIRE_FALSE(store_inode(r.fs->metadata(), file->number(), item));
    CHECK(r.fs->lookup("/same/g").error() == make_error(EPERM));
    CHECK(r.fs->lookup("/same/copy").has_value());
    CHECK(r.fs->list(same)->size() == 2);
}

TEST_CASE(
    "each new extent has a nonce of its own, and the key that HKDF makes of it for extents, of the mode's "
    "key size" *
    PROPERTY(61)) {
    for_each_setup([](crypt_path path, fscrypt_mode mode) {
        crypt_rig r(path);
        const auto file = r.new_encrypted_file("f", mode);
        std::set<crypto_nonce> nonces;
        std::size_t writes = 0;
        // Two rounds: what is written again is another extent.
        for (int round = 0; round < 2; ++round) {
            for (std::uint64_t block = 0; block < 100; block += 2, ++writes)
                REQUIRE_FALSE(write_at(*r.fs, *file, block * block_bytes,
                                       random_bytes(block_bytes, test_seed() + block)));
            for (const extent_row& row : r.extents(*file)) {
                nonces.insert(row.context->nonce);
                CHECK(r.decrypted(*file, row) ==
                      random_bytes(block_bytes, test_seed() + row.file_offset_bytes / block_bytes));
            }
        }
        CHECK(nonces.size() == writes);
    });
}

TEST_CASE("the DUN of a data unit is its place in the original extent, for both sides of a reflink, behind a "
          "split, and where the extent lies elsewhere" *
          PROPERTY(62)) {
    for_each_setup([](crypt_path path, fscrypt_mode mode) {
        crypt_rig r(path);
        for (const std::uint8_t log2_unit : {unit_512, unit_4096}) {
            const std::string name = log2_unit == unit_512 ? "f" : "g";
            auto file = r.new_encrypted_file(name.c_str(), mode, log2_unit);
            const inode_number directory = r.fs->status_of(file->number())->item.parent;
            const auto data = random_bytes(8 * block_bytes, test_seed());
            REQUIRE_FALSE(write_at(*r.fs, *file, 5 * block_bytes, data)); // not at the file's beginning
            const auto whole = r.extents(*file);
            REQUIRE(whole.size() == 1);
            const auto ciphertext = r.stored(whole[0]);
            CHECK(r.decrypted(*file, whole[0]) == data); // the reference begins at DUN 0

            auto expected = concatenated(byte_vector(5 * block_bytes), data);
            const inode_number copy = *r.fs->reflink(*file, directory, "copy");
            CHECK(r.stored(whole[0]) == ciphertext);
            CHECK(r.fs->extents_of(copy)->front().physical_offset_bytes == whole[0].physical_offset_bytes);
            CHECK(*read_all(*r.fs, copy) == expected);

            // An overwrite in its middle leaves two parts of the extent, the second from its block 5 on.
            const auto middle = random_bytes(2 * block_bytes, test_seed() + 1);
            REQUIRE_FALSE(write_at(*r.fs, *file, 8 * block_bytes, middle));
            const auto parts = r.extents(*file);
            REQUIRE(parts.size() == 3);
            CHECK(parts[2].context == whole[0].context);
            CHECK(parts[2].extent_offset_bytes == 5 * block_bytes);
            CHECK(r.stored(whole[0]) == ciphertext);
            CHECK(r.decrypted(*file, parts[2]) == byte_vector(data.begin() + 5 * block_bytes, data.end()));
            CHECK(*read_all(*r.fs, copy) == expected);
            auto split = expected;
            std::ranges::copy(middle, split.begin() + 8 * block_bytes);
            CHECK(*read_at(*r.fs, *file, 0, split.size()) == split);

            // Nothing here moves extents by itself. The bytes as they are, elsewhere, are the same data.
            const inode_number number = file->number();
            file = file_handle();
            relocate(r, first_block_of_extent(whole[0]), {number, copy});
            REQUIRE_FALSE(r.fs->sync());
            r.mount();
            r.add_key();
            const auto moved = *r.fs->extents_of(copy);
            REQUIRE(moved.size() == 1);
            CHECK(moved[0].physical_offset_bytes != whole[0].physical_offset_bytes);
            CHECK(r.stored(moved[0]) == ciphertext);
            CHECK(*read_all(*r.fs, copy) == expected);
            CHECK(*read_all(*r.fs, number) == split);
        }
    });
}

TEST_CASE("the same data at the same place of two extents has different ciphertext in each data unit" *
          PROPERTY(63)) {
    for_each_setup([](crypt_path path, fscrypt_mode mode) {
        crypt_rig r(path);
        const auto file = r.new_encrypted_file("f", mode, 9);
        const auto other = r.new_file(*r.fs->lookup("/f.d"), "g");
        const auto data = random_bytes(4 * block_bytes, test_seed());
        byte_vector ciphertext;
        const auto write = [&](const file_handle& to, std::uint64_t offset) {
            REQUIRE_FALSE(write_at(*r.fs, *to, offset, data));
            for (const extent_row& row : r.extents(*to))
                if (row.file_offset_bytes == offset)
                    ciphertext = concatenated(ciphertext, r.stored(row));
        };
        write(file, 0);
        write(file, 16 * block_bytes);
        write(other, 0);
        write(other, 0); // over itself: an extent of its own
        CHECK(ciphertext.size() == 4 * data.size());
        CHECK(are_different(ciphertext, 512));
    });
}

TEST_CASE(
    "an extent of another key or mode, or of none, cannot be read through a file, nor written in place, and "
    "never becomes plaintext" *
    PROPERTY(64)) {
    for_each_setup([](crypt_path path, fscrypt_mode mode) {
        crypt_rig r(path);
        const fscrypt_mode other_mode =
            mode == fscrypt_mode::adiantum ? fscrypt_mode::aes_256_xts : fscrypt_mode::adiantum;
        auto file = r.new_encrypted_file("f", mode, 0, 1);
        const auto data = random_bytes(4 * block_bytes, test_seed());
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, data));
        const auto target = r.extents(*file)[0];
        const auto ciphertext = r.stored(target);

        std::vector<file_handle> readers;
        readers.push_back(r.new_encrypted_file("other_key", mode, 0, 2));
        readers.push_back(r.new_encrypted_file("other_mode", other_mode, 0, 1));
        readers.push_back(r.new_file(root_inode, "plain"));
        for (auto& reader : readers) {
            INFO("file " << reader->number());
            REQUIRE_FALSE(write_at(*r.fs, *reader, 0, byte_vector(data.size(), std::byte{1})));
            point_to(*r.fs, *reader, target);
            const inode_number number = reader->number();
            reader = file_handle();
            reader = *r.fs->open(number);
            CHECK(r.fs->extents_of(number).error() == make_error(EINVAL));
            for (const std::size_t offset : {0U, 512U, 4096U, 5000U}) {
                byte_vector memory(6000, std::byte{0xee});
                waited_io w;
                w.io.prepare(file_op::read, *reader, offset, memory, w);
                r.fs->submit(w.io);
                while (w.ends == 0)
                    r.fs->wait();
                CHECK(w.io.status == make_error(EINVAL));
                CHECK(w.io.done_bytes == 0);
                CHECK(memory == byte_vector(6000, std::byte{0xee}));
            }
            const auto mine = random_bytes(block_bytes, test_seed());
            CHECK(write_at(*r.fs, *reader, 0, mine, true) == make_error(EINVAL));
            CHECK(write_at(*r.fs, *reader, 10, bytes_view(mine).first(100)) == make_error(EINVAL));
            CHECK(zero_at(*r.fs, *reader, 0, block_bytes, true) == make_error(EINVAL));
            CHECK(r.stored(target) == ciphertext);
        }
        // Nor does an encrypted file take an extent that is not.
        const auto plain = r.new_file(root_inode, "g");
        REQUIRE_FALSE(write_at(*r.fs, *plain, 0, data));
        point_to(*r.fs, *file, r.extents(*plain)[0]);
        const inode_number number = file->number();
        file = file_handle();
        file = *r.fs->open(number);
        CHECK(read_at(*r.fs, *file, 0, data.size()).error() == make_error(EINVAL));
        CHECK(write_at(*r.fs, *file, 0, data, true) == make_error(EINVAL));
        CHECK(r.fs->extents_of(number).error() == make_error(EINVAL));
    });
}

TEST_CASE("open files of a removed key read and write extents whose keys have to be derived anew" *
          PROPERTY(66)) {
    for_each_setup([](crypt_path path, fscrypt_mode mode) {
        crypt_rig r(path, {.keys_max = 1});
        const auto file = r.new_encrypted_file("f", mode);
        const auto key = file->item().policy()->master_key_identifier;
        const auto block = [](unsigned n) { return random_bytes(block_bytes, test_seed() + n); };
        for (unsigned n = 0; n < 4; ++n)
            REQUIRE_FALSE(write_at(*r.fs, *file, n * std::uint64_t{2} * block_bytes, block(n)));
        REQUIRE(r.fs->keys().remove(key)->files_busy);
        CHECK(r.fs->open(file->number()).error() == make_error(ENOKEY));

        const std::uint64_t derived = r.fs->key_use().misses;
        for (unsigned n = 0; n < 4; ++n)
            CHECK(*read_at(*r.fs, *file, n * std::uint64_t{2} * block_bytes, block_bytes) == block(n));
        for (unsigned n = 4; n < 8; ++n)
            REQUIRE_FALSE(write_at(*r.fs, *file, n * std::uint64_t{2} * block_bytes, block(n)));
        CHECK(r.fs->key_use().misses >= derived + 8);
        for (const extent_row& row : r.extents(*file))
            CHECK(r.decrypted(*file, row) ==
                  block(static_cast<unsigned>(row.file_offset_bytes / block_bytes / 2)));
        CHECK(r.fs->keys().status(key) == key_status::incompletely_removed);
    });
}
