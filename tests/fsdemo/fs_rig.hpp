// SPDX-License-Identifier: Apache-2.0
#pragma once
// A filesystem of the tests: on any device, over the fallback or over an inline engine, under one env; and
// files read and written in one call.

#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "fsdemo/demo_fs.hpp"
#include "fsdemo/strategies/strategy_table.hpp"
#include "tests/support/simulated_env.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace blkcrypto::test {

enum class crypt_path { fallback, inline_engine };

/// Puts something in front of the fallback's tfm source, to see what it is asked for.
using tfm_wrapper = std::function<std::unique_ptr<tfm_source>(std::unique_ptr<tfm_source>)>;

/// What a filesystem stands on.
class fs_stack {
  public:
    fs_stack(simulated_env& e, block_device& medium, crypt_path path, const tfm_wrapper& wrap = {});
    fs_stack(simulated_env& e, block_device& medium, const fsdemo::strategy_info& strategy,
             const fsdemo::strategy_options& options);
    fsdemo::crypto_door door() {
        return {env_, engine_ ? *engine_ : medium_, fallback_.get(), metadata_env_, strategy_};
    }
    fsdemo::key_strategy* strategy() const noexcept { return strategy_; }

  private:
    void put_engine(unsigned keyslots);

    simulated_env& env_;
    simulated_env metadata_env_;
    block_device& medium_;
    simulated_executor worker_;
    std::unique_ptr<inline_crypto_device> engine_;
    std::unique_ptr<crypto_fallback> fallback_;
    fsdemo::key_strategy* strategy_ = nullptr; // the fallback's, if it has one
};

/// A master key made of a number: 64 bytes.
std::vector<std::byte> master_key_bytes(std::uint64_t number);

/// A policy under that key.
fsdemo::encryption_policy policy_under(const fsdemo::key_identifier& key, fsdemo::fscrypt_mode contents,
                                       std::uint8_t log2_data_unit_size = 0);

inline constexpr fsdemo::filesystem_uuid test_uuid{std::byte{0x30}, std::byte{0x31}};

/// A file_io that is waited for.
struct waited_io : fsdemo::file_io_end {
    void end_io(fsdemo::file_io&) noexcept override { ++ends; }
    fsdemo::file_io io;
    int ends = 0;
};

std::error_code write_at(fsdemo::demo_fs& fs, fsdemo::open_file& file, std::uint64_t offset, bytes_view data,
                         bool in_place = false);
std::error_code zero_at(fsdemo::demo_fs& fs, fsdemo::open_file& file, std::uint64_t offset,
                        std::uint64_t length, bool in_place = false);
/// What is there, less than `length` at the end.
result<std::vector<std::byte>> read_at(fsdemo::demo_fs& fs, fsdemo::open_file& file, std::uint64_t offset,
                                       std::size_t length);
result<std::vector<std::byte>> read_all(fsdemo::demo_fs& fs, fsdemo::inode_number inode);

/// What fsck says of it, a line for each finding; empty: nothing.
std::string findings_on(block_device& device, env& e);

} // namespace blkcrypto::test
