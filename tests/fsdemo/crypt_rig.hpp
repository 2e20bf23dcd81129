// SPDX-License-Identifier: Apache-2.0
#pragma once
// A mounted filesystem for cases about keys and ciphertext: over either path and in any mode, with a log of
// what the fallback's tfm source was asked for, and the medium as the reference decrypts it.

#include "tests/fsdemo/fs_rig.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/simulated_device.hpp"

#include <array>
#include <doctest/doctest.h>
#include <optional>

namespace blkcrypto::test {

inline constexpr std::array both_paths{crypt_path::fallback, crypt_path::inline_engine};
inline constexpr std::array contents_modes{fsdemo::fscrypt_mode::aes_256_xts,
                                           fsdemo::fscrypt_mode::aes_128_cbc, fsdemo::fscrypt_mode::sm4_xts,
                                           fsdemo::fscrypt_mode::adiantum};

/// What a tfm source was asked for, by whom, and what it said to it.
struct tfm_call {
    enum class kind : std::uint8_t { start, acquire, evict };
    kind what{};
    const key_request* key = nullptr; // not of start
    std::uint64_t fingerprint = 0;    // of the key's bytes at that time
    bool was_started = false;         // of start: there was nothing to do any more
    std::error_code error{};
};
std::unique_ptr<tfm_source> make_logging_tfms(std::unique_ptr<tfm_source> inner, std::vector<tfm_call>& log);

/// Counts the tfms that are allocated, and can let an allocation or the derivation of a key fail.
struct tfm_counter final : env_hooks {
    bool allow_allocation(const allocation_class& kind, std::size_t, io_context context) noexcept override;
    bool allow_derivation() noexcept override {
        const std::uint64_t number = derivations++;
        return number < failing_derivation || number >= failing_derivation + failing_derivations;
    }
    std::uint64_t order_stamp() noexcept override { return ++stamps; }
    unsigned tfms = 0;
    io_context last_context = io_context::kernel;      // of a tfm's allocation
    std::uint64_t allocations = 0;                     // of all kinds
    std::uint64_t failing = UINT64_MAX;                // the number of the one that fails, from 0
    std::uint64_t derivations = 0;                     // of keys
    std::uint64_t failing_derivation = UINT64_MAX / 2; // likewise, with those behind it
    std::uint64_t failing_derivations = 1;
    std::uint64_t stamps = 0;
};

struct crypt_rig {
    explicit crypt_rig(crypt_path path = crypt_path::fallback, const fsdemo::fs_options& options = {},
                       std::uint64_t blocks = 2048);

    crypt_rig(const fsdemo::strategy_info& strategy, const fsdemo::strategy_options& sizes,
              const fsdemo::fs_options& options = {}, std::uint64_t blocks = 2048);

    /// What is on the medium, with another strategy.
    void change_strategy(const fsdemo::strategy_info& strategy, const fsdemo::strategy_options& sizes,
                         const fsdemo::fs_options& options = {});
    void mount(const fsdemo::fs_options& options = {});
    fsdemo::key_identifier add_key(std::uint64_t number = 1);
    fsdemo::inode_number encrypted_directory(const char* name, const fsdemo::encryption_policy& policy);
    fsdemo::file_handle new_file(fsdemo::inode_number directory, const char* name);
    /// A file in a new encrypted directory, which has the file's name with ".d" behind it.
    fsdemo::file_handle new_encrypted_file(const char* name, fsdemo::fscrypt_mode mode,
                                           std::uint8_t log2_data_unit_size = 0,
                                           std::uint64_t key_number = 1);

    std::vector<fsdemo::extent_row> extents(const fsdemo::open_file& file);
    /// What lies on the medium for a part of a file.
    std::vector<std::byte> stored(const fsdemo::extent_row& row);
    /// Decrypted by the reference, under a key it has derived itself.
    std::vector<std::byte> decrypted(const fsdemo::open_file& file, const fsdemo::extent_row& row,
                                     std::uint64_t key_number = 1);

    std::vector<tfm_call> log;
    tfm_counter hooks;
    simulated_env e;
    simulated_device medium;
    std::optional<fs_stack> stack;
    std::unique_ptr<fsdemo::demo_fs> fs;
};

/// The bytes in pieces of `size`, which are all different.
bool are_different(bytes_view bytes, std::size_t size);

/// The key of an extent to look for in memory: derived apart from any filesystem, and not readable here.
std::vector<masked_pattern> hidden_extent_key(std::uint64_t key_number, const fsdemo::crypto_nonce& nonce,
                                              fsdemo::fscrypt_mode mode);

} // namespace blkcrypto::test
