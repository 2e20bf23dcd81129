// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/known_strategies.hpp"

#include "bench/lab/single_key.hpp"
#include "blkcrypto/tools/cli/printable.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

// ASCII that a shell's word and a row of a table can have.
bool is_name(std::string_view name) {
    return !name.empty() && is_printable(name) && name.find_first_of(", ") == std::string_view::npos;
}

bool is_taken(std::string_view name, const strategy_list& known) {
    return name == all_strategies || name == single_key_strategy().name ||
           std::ranges::find(known, name, &fsdemo::strategy_info::name) != known.end();
}

std::string why_unusable(const fsdemo::strategy_info& strategy, const strategy_list& known) {
    if (!is_name(strategy.name))
        return "such a name cannot be typed in --strategies";
    if (is_taken(strategy.name, known))
        return "the name is taken";
    if (!is_printable(strategy.at_open) || !is_printable(strategy.in_io))
        return "what it says of itself is not printable ASCII";
    return {};
}

} // namespace

strategy_list known_strategies(std::span<const fsdemo::strategy_info> own, std::string& why) {
    strategy_list known;
    for (const auto& strategy : fsdemo::strategies())
        known.push_back(&strategy);
    for (const auto& strategy : own) {
        const std::string reason = why_unusable(strategy, known);
        if (!reason.empty() && why.empty())
            why = fmt::format("strategy '{}': {}", cli::printable(strategy.name), reason);
        known.push_back(&strategy);
    }
    return known;
}

} // namespace blkcrypto::bench
