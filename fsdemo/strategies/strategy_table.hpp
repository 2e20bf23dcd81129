// SPDX-License-Identifier: Apache-2.0
#pragma once
// The key-setup strategies by name: what a program's --strategy offers, and what the lab compares.

#include "fsdemo/key_strategy.hpp"

#include <span>
#include <string_view>

namespace blkcrypto::fsdemo {

struct strategy_options {
    unsigned pool_size = 128;             // transforms of a pool, of each mode
    unsigned keyslots = 100;              // of fallback-keyslots, and of an engine that is told so
    std::uint64_t memory_limit_bytes = 0; // of transforms; 0: none
    unsigned lanes = 1;                   // how many threads are expected to crypt at once
};

/// The most that a pool or a set of keyslots can have.
inline constexpr unsigned pool_size_max = 65536;
inline constexpr unsigned keyslots_max = 1024;

constexpr bool is_pool_size(unsigned size) noexcept {
    return size != 0 && size <= pool_size_max;
}

using strategy_maker = result<std::unique_ptr<key_strategy>> (*)(env& e, const strategy_options& options);

struct strategy_info {
    std::string_view name;
    std::string_view at_open; // what it does then, in a few words
    std::string_view in_io;
    strategy_maker make = nullptr; // null: no transform, the device encrypts
    bool has_keyslots = false;     // its number of keyslots matters
    bool has_pool = false;         // likewise, of a pool
};

/// The eleven, from the naive ones on.
std::span<const strategy_info> strategies() noexcept;
/// Null: no such name.
const strategy_info* find_strategy(std::string_view name) noexcept;

// The strategies, a file each. All: ENOMEM; EINVAL for a size that is 0 or above the most.
result<std::unique_ptr<key_strategy>> make_full_in_io(env& e, const strategy_options& options);
result<std::unique_ptr<key_strategy>> make_nofs_in_io(env& e, const strategy_options& options);
result<std::unique_ptr<key_strategy>> make_all_at_open(env& e, const strategy_options& options);
result<std::unique_ptr<key_strategy>> make_pool_per_file(env& e, const strategy_options& options);
result<std::unique_ptr<key_strategy>> make_pool_global(env& e, const strategy_options& options);
result<std::unique_ptr<key_strategy>> make_pool_per_master_key(env& e, const strategy_options& options);
result<std::unique_ptr<key_strategy>> make_prepared_map(env& e, const strategy_options& options);
result<std::unique_ptr<key_strategy>> make_fallback_keyslots(env& e, const strategy_options& options);
result<std::unique_ptr<key_strategy>> make_clone_transform(env& e, const strategy_options& options);
result<std::unique_ptr<key_strategy>> make_library_key(env& e, const strategy_options& options);

} // namespace blkcrypto::fsdemo
