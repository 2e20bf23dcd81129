// SPDX-License-Identifier: Apache-2.0
#pragma once
// Values of options that several verbs have. Whatever cannot be used is a program_error, exit code 2, that
// names the option; nothing is changed anywhere.

#include "blkcrypto/base/env.hpp"
#include "blkcrypto/block/crypto_key.hpp"
#include "blkcrypto/dev/engine_profile.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <vector>

namespace blkcrypto::bench {

inline constexpr std::uint64_t depth_max = 4096;
inline constexpr std::uint64_t jobs_max = 256;
inline constexpr unsigned rounds_max = 10'000;
inline constexpr std::chrono::milliseconds slice_min{10}; // less would measure its start and its end

/// The engine where nobody says which, if it has the modes.
inline constexpr std::string_view usual_engine = "ufs-std";

/// What `parse` makes of each word between commas, none twice.
template <typename Parse>
auto parse_list(std::string_view option, std::string_view text, Parse parse) {
    std::vector<std::invoke_result_t<Parse, std::string_view>> values;
    while (true) {
        const auto comma = text.find(',');
        const auto word = text.substr(0, comma);
        const auto value = parse(word);
        if (std::ranges::count(values, value) != 0)
            throw cli::unusable(option, fmt::format("{} is there twice", word));
        values.push_back(value);
        if (comma == std::string_view::npos)
            return values;
        text.remove_prefix(comma + 1);
    }
}

std::vector<const crypto_mode_info*> parse_modes(std::string_view option, std::string_view text);
void check_implementations(std::string_view option, std::span<const crypto_mode_info* const> modes);

std::vector<std::string_view> engine_names();
/// The usual one, as far as it has the modes: no real engine has them all.
engine_profile default_engine(std::span<const crypto_mode_info* const> modes);
/// The devices would say so, but later and in fewer words.
void check_engine(const engine_profile& engine, const crypto_config& config);

/// Whole seconds, or milliseconds as in 500ms, up to a day.
std::chrono::milliseconds parse_runtime(std::string_view text);
/// A round's part of the runtime is no shorter than makes sense.
void check_slice(std::string_view typed, std::chrono::milliseconds runtime, unsigned rounds);

/// `what` takes no more than half of the machine's memory.
void check_memory(std::string_view options, std::string_view what, std::uint64_t bytes);
/// Nor do so many blocks in flight.
void check_buffers(std::string_view options, std::uint64_t blocks, std::uint32_t block_bytes);

/// Small enough for whoever reads it in the JSON as a floating-point number, as jq does.
std::uint64_t random_seed(env& e);

} // namespace blkcrypto::bench
