// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/choice.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace blkcrypto::cli {

std::size_t parse_choice(std::string_view option, std::string_view text,
                         std::span<const std::string_view> names) {
    const auto found = std::ranges::find(names, text);
    if (found == names.end())
        throw unusable(option, fmt::format("'{}' is not one of {}", text, fmt::join(names, ", ")));
    return static_cast<std::size_t>(found - names.begin());
}

const crypto_mode_info& parse_mode(std::string_view option, std::string_view text) {
    std::vector<std::string_view> names;
    for (const auto& mode : crypto_modes())
        names.push_back(mode.name);
    return crypto_modes()[parse_choice(option, text, names)];
}

const engine_profile& parse_engine(std::string_view option, std::string_view text) {
    std::vector<std::string_view> names;
    for (const engine_profile& profile : builtin_engine_profiles())
        names.push_back(profile.name);
    return builtin_engine_profiles()[parse_choice(option, text, names)];
}

} // namespace blkcrypto::cli
