// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_main.hpp"

#include "bench/lab/strategies.hpp"
#include "bench/verbs.hpp"
#include "blkcrypto/tools/cli/printable.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

constexpr const char* program_name = "blkbench";

using known_strategies = std::vector<const fsdemo::strategy_info*>;

// A name that could not be told from another, or not be typed in a list.
std::string why_unusable(std::string_view name, const known_strategies& known) {
    if (name.empty() || name.find_first_of(", ") != std::string_view::npos)
        return "such a name cannot be typed in --strategies";
    if (std::ranges::find(known, name, &fsdemo::strategy_info::name) != known.end())
        return "the name is taken";
    return {};
}

// The eleven, and behind them those; `why` says of the first that cannot be among them why.
known_strategies with_own(std::span<const fsdemo::strategy_info> own, std::string& why) {
    known_strategies known;
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

} // namespace

int run_blkbench(int argc, char** argv, std::span<const fsdemo::strategy_info> own) {
    std::string why;
    known_strategies known = with_own(own, why);
    if (!why.empty()) {
        fmt::print(stderr, "{}: {}\n", program_name, why);
        return cli::exit_unusable;
    }
    cli::verb_list verbs;
    verbs.push_back(make_compare_verb());
    verbs.push_back(make_strategies_verb(std::move(known)));
    verbs.push_back(make_diff_verb());
    return cli::run_program(program_name, "Benchmarks of the blk-crypto stack", verbs, argc, argv);
}

} // namespace blkcrypto::bench
