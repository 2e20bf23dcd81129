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
