// SPDX-License-Identifier: Apache-2.0
// Several filesystems on several threads share each strategy, with one transform or slot between them: they
// start, open, read, write, forget keys and unmount in any order.
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "tests/fsdemo/fs_rig.hpp"
#include "tests/support/test_seed.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr unsigned thread_count = 3;
constexpr std::uint64_t extent_count = 12;

std::vector<std::byte> block_of(unsigned thread, std::uint64_t n) {
    return random_bytes(block_bytes, test_seed() + thread * 1000 + n);
}

/// A filesystem of the thread's own, over a fallback that all share. What went wrong; 0: nothing.
unsigned use_filesystem(crypto_fallback& fallback, key_strategy& strategy, unsigned thread) {
    const auto e = thread_env::make().value();
    const auto metadata_env = thread_env::make().value();
    const auto device = make_memory_device(sector{2048 * 8}).value();
    if (demo_fs::format(*device, *metadata_env, test_uuid))
        return 1;
    std::string why;
    const auto fs = demo_fs::mount({*e, *device, &fallback, *metadata_env, &strategy},
                                   {.keys_max = 4, .derived_keys_max = 0}, why)
                        .value();
    const auto bytes = master_key_bytes(1); // the same key in all of them
    const key_identifier key = fs->keys().add(bytes).value();
    const inode_number directory = fs->make_directory(root_inode, "d").value();
    std::string_view reason;
    if (fs->set_policy(directory, encode(policy_under(key, fscrypt_mode::aes_256_xts)), reason))
        return 2;
    unsigned wrong = 0;
    for (int round = 0; round < 3; ++round) {
        const auto name = std::string(1, static_cast<char>('a' + round));
        const auto file = fs->open(fs->create_file(directory, name).value()).value();
        for (std::uint64_t n = 0; n < extent_count; ++n)
            wrong += write_at(*fs, *file, 2 * n * block_bytes, block_of(thread, n)) ? 1U : 0U;
        for (std::uint64_t n = 0; n < extent_count; ++n)
            wrong += read_at(*fs, *file, 2 * n * block_bytes, block_bytes).value() != block_of(thread, n)
                         ? 1U
                         : 0U;
    }
    wrong += fs->keys().remove(key).has_value() ? 0U : 1U;
    return wrong;
}

} // namespace

TEST_CASE("filesystems on several threads share a strategy with one transform, and each has its own data") {
    for (const strategy_info& s : strategies()) {
        if (s.make == nullptr)
            continue;
        CAPTURE(s.name);
        simulated_env making(test_seed());
        auto made = s.make(making, {.pool_size = 1, .keyslots = 1, .lanes = thread_count}).value();
        key_strategy& strategy = *made;
        const auto fallback = crypto_fallback::make(making, std::move(made), {}).value();
        std::atomic<unsigned> wrong{0};
        std::vector<std::thread> threads;
        for (unsigned n = 0; n < thread_count; ++n)
            threads.emplace_back([&, n] { wrong += use_filesystem(*fallback, strategy, n); });
        for (std::thread& t : threads)
            t.join();
        CHECK(wrong == 0);
        const strategy_figures left = strategy.figures(making);
        const bool keeps = s.name == "pool-global" || s.name == "prepared-map" ||
                           s.name == "fallback-keyslots" || s.name == "clone-transform";
        CHECK(left.transforms == (keeps ? 1U : 0U));
    }
}
