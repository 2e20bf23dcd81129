// SPDX-License-Identifier: Apache-2.0
// What a filesystem promises its users, one promise a case.
#include "tests/fsdemo/fs_rig.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

struct rig {
    explicit rig(crypt_path path = crypt_path::fallback, std::uint64_t blocks = 4096,
                 completion_order order = completion_order::timed)
        : e(test_seed()), medium(sector{blocks * 8}, order, test_seed()), stack(e, medium, path) {
        REQUIRE_FALSE(demo_fs::format(medium, e, test_uuid));
        mount();
    }

    void mount(const fs_options& options = {}) {
        fs.reset();
        std::string why;
        auto mounted = demo_fs::mount(stack.door(), options, why);
        REQUIRE_MESSAGE(mounted.has_value(), why);
        fs = std::move(*mounted);
    }

    key_identifier add_key(std::uint64_t number = 1) { return *fs->keys().add(master_key_bytes(number)); }

    inode_number encrypted_directory(const char* name, const encryption_policy& policy) {
        const inode_number inode = *fs->make_directory(root_inode, name);
        std::string_view why;
        REQUIRE_FALSE(fs->set_policy(inode, encode(policy), why));
        return inode;
    }

    simulated_env e;
    simulated_device medium;
    fs_stack stack;
    std::unique_ptr<demo_fs> fs;
};

} // namespace

TEST_CASE("what is written is read, at any offset, across mounts, encrypted and not") {
    for (const crypt_path path : {crypt_path::fallback, crypt_path::inline_engine}) {
        rig r(path);
        const auto key = r.add_key();
        const auto encrypted = r.encrypted_directory("e", policy_under(key, fscrypt_mode::aes_256_xts, 9));
        const auto data = random_bytes(100'000, test_seed());
        for (const inode_number directory : {root_inode, encrypted}) {
            const auto inode = *r.fs->create_file(directory, "f");
            const auto file = *r.fs->open(inode);
            REQUIRE_FALSE(write_at(*r.fs, *file, 777, data));
            REQUIRE_FALSE(write_at(*r.fs, *file, 5000, bytes_view(data).first(10), true));
        }
        REQUIRE_FALSE(r.fs->sync());
        r.mount();
        r.add_key();
        auto expected = std::vector<std::byte>(777);
        expected.insert(expected.end(), data.begin(), data.end());
        std::copy_n(data.begin(), 10, expected.begin() + 5000);
        for (const char* name : {"/f", "/e/f"}) {
            const auto inode = r.fs->lookup(name);
            REQUIRE(inode.has_value());
            CHECK(*read_all(*r.fs, *inode) == expected);
        }
    }
}

// After a crash the size is the old one, and so must be what is behind it.
TEST_CASE("what is written in place behind the end of a file is not there without its size") {
    rig r;
    const auto inode = *r.fs->create_file(root_inode, "f");
    {
        const auto file = *r.fs->open(inode);
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(100, 1)));
        REQUIRE_FALSE(r.fs->sync());
        REQUIRE_FALSE(write_at(*r.fs, *file, 200, random_bytes(50, 2), true));
    }
    r.mount();
    const auto file = *r.fs->open(inode);
    REQUIRE((*file).size_bytes() == 100);
    REQUIRE_FALSE(r.fs->truncate(*file, 1000));
    auto expected = random_bytes(100, 1);
    expected.resize(1000);
    CHECK(*read_at(*r.fs, *file, 0, 1000) == expected);
}

TEST_CASE("an extent that the last state shares is not written in place, whoever has it now") {
    rig r;
    const auto old_bytes = random_bytes(8192, 1);
    const auto a = *r.fs->create_file(root_inode, "a");
    {
        const auto file = *r.fs->open(a);
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, old_bytes));
        REQUIRE(r.fs->reflink(*file, root_inode, "b").has_value());
    }
    REQUIRE_FALSE(r.fs->sync());
    REQUIRE_FALSE(r.fs->remove(root_inode, "a"));
    {
        const auto file = *r.fs->open(*r.fs->lookup("b"));
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(4096, 2), true));
    }
    r.mount(); // as after a crash: a is there again
    CHECK(*read_all(*r.fs, a) == old_bytes);
    CHECK(*read_all(*r.fs, *r.fs->lookup("b")) == old_bytes);
    // Once it is durable that nobody shares it, it may.
    REQUIRE_FALSE(r.fs->remove(root_inode, "a"));
    REQUIRE_FALSE(r.fs->sync());
    const auto inode = *r.fs->lookup("b");
    const auto before = r.fs->extents_of(inode)->front().physical_offset_bytes;
    const auto file = *r.fs->open(inode);
    REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(4096, 2), true));
    CHECK(r.fs->extents_of(inode)->front().physical_offset_bytes == before);
}

TEST_CASE("a file of many extents can be removed from a full image, and not shared where there is no room") {
    rig r(crypt_path::fallback, 2048);
    const auto a = *r.fs->create_file(root_inode, "a");
    {
        const auto file = *r.fs->open(a);
        // Extents of one block whose neighbours are others', so that what is freed is in pieces.
        const auto other = *r.fs->open(*r.fs->create_file(root_inode, "other"));
        const auto block = random_bytes(4096, 1);
        std::error_code error;
        for (std::uint64_t i = 0; !error; ++i) {
            error = write_at(*r.fs, *file, i * 4096, block);
            if (!error)
                error = write_at(*r.fs, *other, i * 4096, block);
        }
        REQUIRE(error == make_error(ENOSPC));
        CHECK(r.fs->reflink(*file, root_inode, "b").error() == make_error(ENOSPC));
    }
    REQUIRE_FALSE(r.fs->sync());
    const auto free_before = r.fs->space().free_blocks;
    REQUIRE_FALSE(r.fs->remove(root_inode, "a"));
    REQUIRE_FALSE(r.fs->sync());
    CHECK(r.fs->space().free_blocks > free_before + 800);
    REQUIRE_FALSE(r.fs->remove(root_inode, "other"));
    REQUIRE_FALSE(r.fs->sync());
    CHECK(r.fs->space().free_blocks > 2000);
}

TEST_CASE("without commits for room nothing is durable before a sync") {
    rig r(crypt_path::fallback, 256);
    const auto inode = *r.fs->create_file(root_inode, "f");
    {
        const auto file = *r.fs->open(inode);
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(400'000, 1)));
    }
    REQUIRE_FALSE(r.fs->sync());
    r.mount({.commits_for_room = false});
    {
        const auto file = *r.fs->open(inode);
        std::error_code error;
        for (std::uint64_t i = 0; i < 10 && !error; ++i)
            error = write_at(*r.fs, *file, 0, random_bytes(400'000, 2 + i));
        CHECK(error == make_error(ENOSPC));
    }
    r.mount();
    CHECK(*read_all(*r.fs, inode) == random_bytes(400'000, 1));
    const auto file = *r.fs->open(inode);
    for (std::uint64_t i = 0; i < 10; ++i)
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(400'000, 2 + i)));
}

TEST_CASE("a flush that fails fails the filesystem, also where nothing but data was written") {
    rig r;
    const auto inode = *r.fs->create_file(root_inode, "f");
    const auto file = *r.fs->open(inode);
    REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(4096, 1)));
    REQUIRE_FALSE(r.fs->sync());
    REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(4096, 2), true));
    struct : device_faults {
        std::optional<device_fault> fault_of(const bio& b) noexcept override {
            return b.is_flush() ? std::optional(device_fault{blk_status::ioerr, data_moved::none})
                                : std::nullopt;
        }
    } no_flush;
    r.medium.set_faults(&no_flush);
    CHECK(r.fs->sync() == make_error(EIO));
    r.medium.set_faults(nullptr);
    CHECK(r.fs->sync() == make_error(EIO));
}

TEST_CASE("what is no policy is refused before anything else is looked at") {
    rig r;
    const auto key = r.add_key();
    const auto directory = r.encrypted_directory("e", policy_under(key, fscrypt_mode::aes_256_xts));
    auto policy = encode(policy_under(key, fscrypt_mode::aes_256_xts));
    std::string_view why;
    CHECK_FALSE(r.fs->set_policy(directory, policy, why));
    CHECK(r.fs->set_policy(directory, bytes_view(policy).first(20), why) == make_error(EINVAL));
    policy[0] = std::byte{9};
    CHECK(r.fs->set_policy(directory, policy, why) == make_error(EINVAL));
    CHECK(r.fs->set_policy(*r.fs->create_file(root_inode, "f"), policy, why) == make_error(EINVAL));
}

TEST_CASE("an inode number that is taken already is a damaged image's, not somebody else's file") {
    rig r;
    const auto inode = *r.fs->create_file(root_inode, "f");
    {
        const auto file = *r.fs->open(inode);
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, random_bytes(4096, 1)));
    }
    REQUIRE_FALSE(r.fs->sync());
    superblock super = r.fs->super();
    super.next_inode = inode;
    block_buffer block;
    encode(super, block.bytes);
    std::ranges::copy(block.bytes, r.medium.medium(sector_of(super.generation % 2), block_bytes).begin());
    r.mount();
    CHECK(r.fs->create_file(root_inode, "g").error() == make_error(EUCLEAN));
    r.mount();
    CHECK(*read_all(*r.fs, inode) == random_bytes(4096, 1));
}

TEST_CASE("a filesystem without a place for a request, or for a key, is refused") {
    rig r;
    r.fs.reset();
    std::string why;
    CHECK(demo_fs::mount(r.stack.door(), {.depth = 0}, why).error() == make_error(EINVAL));
    CHECK(demo_fs::mount(r.stack.door(), {.keys_max = 0}, why).error() == make_error(EINVAL));
}

TEST_CASE("a file that has become a reflink's source is not written in place, however well it was known") {
    for (const crypt_path path : {crypt_path::fallback, crypt_path::inline_engine}) {
        rig r(path);
        const auto key = r.add_key();
        const auto vault = r.encrypted_directory("e", policy_under(key, fscrypt_mode::aes_256_xts));
        const auto data = random_bytes(20'000, test_seed());
        const auto file = *r.fs->open(*r.fs->create_file(vault, "f"));
        REQUIRE_FALSE(write_at(*r.fs, *file, 0, data));
        CHECK(read_at(*r.fs, *file, 0, data.size()).value() == data); // its extents are known now
        const auto twin = r.fs->reflink(*file, vault, "twin");
        REQUIRE(twin);
        REQUIRE_FALSE(write_at(*r.fs, *file, 4096, bytes_view(data).first(4096), true));
        CHECK(read_all(*r.fs, *twin).value() == data);
    }
}

TEST_CASE("a file shares its extents under the same key, mode and unit size only") {
    rig r;
    const auto key = r.add_key();
    const auto other = r.add_key(2);
    const auto from = r.encrypted_directory("from", policy_under(key, fscrypt_mode::aes_256_xts));
    const auto file = *r.fs->open(*r.fs->create_file(from, "f"));
    const auto reflink_to = [&](const char* name, const encryption_policy& policy) {
        const auto made = r.fs->reflink(*file, r.encrypted_directory(name, policy), "twin");
        return made ? 0 : made.error().value();
    };
    CHECK(reflink_to("same", policy_under(key, fscrypt_mode::aes_256_xts)) == 0);
    CHECK(reflink_to("unit", policy_under(key, fscrypt_mode::aes_256_xts, 9)) == EXDEV);
    CHECK(reflink_to("mode", policy_under(key, fscrypt_mode::adiantum)) == EXDEV);
    CHECK(reflink_to("key", policy_under(other, fscrypt_mode::aes_256_xts)) == EXDEV);
    CHECK(r.fs->reflink(*file, root_inode, "twin").error().value() == EXDEV);
}

TEST_CASE("nothing is moved into an encrypted directory of another policy") {
    rig r;
    const auto key = r.add_key();
    const auto from = r.encrypted_directory("from", policy_under(key, fscrypt_mode::aes_256_xts));
    const auto to = r.encrypted_directory("to", policy_under(key, fscrypt_mode::aes_256_xts, 9));
    REQUIRE(r.fs->create_file(from, "f"));
    REQUIRE(r.fs->create_file(root_inode, "plain"));
    CHECK(r.fs->rename(from, "f", to, "f").value() == EXDEV);
    CHECK(r.fs->rename(root_inode, "plain", to, "f").value() == EXDEV);
    CHECK_FALSE(r.fs->rename(from, "f", root_inode, "f"));
    CHECK_FALSE(r.fs->rename(root_inode, "f", from, "g"));
}

TEST_CASE("a full image is written in place, which takes no room") {
    rig r(crypt_path::fallback, 256);
    const auto inode = *r.fs->create_file(root_inode, "f");
    const auto file = *r.fs->open(inode);
    const auto block = random_bytes(4096, 1);
    std::error_code error;
    for (std::uint64_t i = 0; !error; ++i)
        error = write_at(*r.fs, *file, i * 4096, block);
    REQUIRE(error == make_error(ENOSPC));
    REQUIRE_FALSE(r.fs->sync());
    const auto other = random_bytes(4096, 2);
    CHECK(write_at(*r.fs, *file, (*file).size_bytes(), block, true) == make_error(ENOSPC));
    CHECK_FALSE(write_at(*r.fs, *file, 4096, other, true));
    CHECK(read_at(*r.fs, *file, 4096, 4096).value() == other);
}
