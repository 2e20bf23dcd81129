// SPDX-License-Identifier: Apache-2.0
// Whatever is done to a filesystem, and wherever the power goes: what is on the image then has no finding.

#include "tests/fsdemo/fsck_rig.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t small_blocks = 600; // few enough to be full now and then

/// Random calls on a few names in a few directories. What is refused is refused.
class random_user {
  public:
    random_user(demo_fs& fs, random_source& random) : fs_(fs), random_(random) {}

    void act() {
        switch (random_.below(10)) {
        case 0:
            (void)fs_.make_directory(any_directory(), any_name());
            break;
        case 1:
            (void)fs_.create_file(any_directory(), any_name());
            break;
        case 2:
            (void)fs_.remove(any_directory(), any_name());
            break;
        case 3:
            (void)fs_.rename(any_directory(), any_name(), any_directory(), any_name());
            break;
        case 4:
            with_file([&](open_file& file) { (void)fs_.reflink(file, any_directory(), any_name()); });
            break;
        case 5:
            with_file([&](open_file& file) { (void)fs_.truncate(file, any_offset()); });
            break;
        case 6:
            with_file([&](open_file& file) {
                (void)zero_at(fs_, file, any_offset(), 1 + random_.below(50'000), any_bool());
            });
            break;
        default:
            with_file([&](open_file& file) {
                (void)write_at(fs_, file, any_offset(), random_bytes(1 + random_.below(50'000), 1),
                               any_bool());
            });
        }
    }

  private:
    bool any_bool() { return random_.below(2) != 0; }
    std::string any_name() { return numbered("n", static_cast<int>(random_.below(6))); }
    std::uint64_t any_offset() {
        return random_.below(300'000) & (any_bool() ? ~std::uint64_t{4095} : ~std::uint64_t{0});
    }

    inode_number any_directory() {
        inode_number at = *fs_.lookup(any_bool() ? "/vault" : "/");
        for (auto depth = random_.below(3); depth != 0; --depth) {
            const auto below = fs_.lookup_in(at, any_name());
            const auto found = below ? fs_.status_of(*below) : below.error();
            if (found && found->item.kind == inode_kind::directory)
                at = *below;
        }
        return at;
    }
    template <typename Work>
    void with_file(Work work) {
        const auto inode = fs_.lookup_in(any_directory(), any_name());
        if (!inode)
            return;
        const auto file = fs_.open(*inode);
        if (file)
            work(**file);
    }

    demo_fs& fs_;
    random_source& random_;
};

void make_vault(demo_fs& fs) {
    const auto key = *fs.keys().add(master_key_bytes(1));
    if (fs.lookup("/vault"))
        return;
    std::string_view why;
    const inode_number vault = *fs.make_directory(root_inode, "vault");
    REQUIRE_FALSE(fs.set_policy(vault, encode(policy_under(key, fscrypt_mode::aes_256_xts)), why));
    REQUIRE_FALSE(fs.sync());
}

} // namespace

TEST_CASE("after any calls and a sync an image has no finding") {
    simulated_env e(test_seed());
    std::vector<std::byte> image(small_blocks * block_bytes);
    const auto device = make_memory_device(image);
    fs_stack stack(e, *device, crypt_path::fallback);
    REQUIRE_FALSE(demo_fs::format(*device, e, test_uuid));
    random_source random(test_seed());
    for (int mounts = 0; mounts < 30; ++mounts) {
        std::string why;
        const auto fs = *demo_fs::mount(stack.door(), {}, why);
        make_vault(*fs);
        random_user user(*fs, random);
        for (int round = 0; round < 20; ++round) {
            for (auto calls = random.below(30); calls != 0; --calls)
                user.act();
            const bool is_synced = !fs->sync();
            CHECK(findings_on(*device, e) == "");
            if (!is_synced)
                break;
        }
    }
}

TEST_CASE("wherever the power goes, an image has no finding") {
    simulated_env e(test_seed());
    simulated_device device(sector_of(small_blocks), completion_order::timed, test_seed());
    fs_stack stack(e, device, crypt_path::fallback);
    REQUIRE_FALSE(demo_fs::format(device, e, test_uuid));
    device.watch_stability();
    random_source random(test_seed() + 1);

    // Goes at one of the next operations, and stays away until the filesystem is gone.
    struct power_off final : device_faults {
        std::optional<device_fault> fault_of(const bio&) noexcept override {
            if (left != 0 && --left != 0)
                return {};
            return device_fault{blk_status::ioerr, data_moved::none};
        }
        std::uint64_t left = 0;
    } faults;

    for (int cuts = 0; cuts < 150; ++cuts) {
        {
            std::string why;
            const auto fs = *demo_fs::mount(stack.door(), {}, why);
            make_vault(*fs);
            faults.left = 1 + random.below(400);
            device.set_faults(&faults);
            random_user user(*fs, random);
            while (faults.left != 0 && !fs->metadata().has_failed()) {
                for (auto calls = random.below(20); calls != 0 && faults.left != 0; --calls)
                    user.act();
                (void)fs->sync();
            }
        }
        device.set_faults(nullptr);
        device.cut_power();
        CHECK(findings_on(device, e) == "");
    }
}
