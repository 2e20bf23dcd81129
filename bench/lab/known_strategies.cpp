// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/known_strategies.hpp"

#include "blkcrypto/tools/cli/printable.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

std::string why_unusable(std::string_view name, const strategy_list& known) {
    if (name.empty() || name.find_first_of(", ") != std::string_view::npos)
        return "such a name cannot be typed in --strategies";
    if (std::ranges::find(known, name, &fsdemo::strategy_info::name) != known.end())
        return "the name is taken";
    return {};
}

} // namespace

strategy_list known_strategies(std::span<const fsdemo::strategy_info> own, std::string& why) {
    strategy_list known;
    for (const auto& strategy : fsdemo::strategies())
        known.push_back(&strategy);
    for (const auto& strategy : own) {
        const std::string reason = why_unusable(strategy.name, known);
        if (!reason.empty() && why.empty())
            why = fmt::format("strategy '{}': {}", cli::printable(strategy.name), reason);
        known.push_back(&strategy);
    }
    return known;
}

} // namespace blkcrypto::bench
