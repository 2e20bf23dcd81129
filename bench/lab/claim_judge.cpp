// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/claim_judge.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <numeric>

namespace blkcrypto::bench::judging {
namespace {

constexpr std::array<std::string_view, 9> says{
    "key setup in the I/O path allocates, and may load a module",
    "every key at open: time and pinned memory grow with the extents",
    "a fixed pool at open leaves derive and setkey to the I/O path",
    "a map to prepared transforms saves deriving and setting keys again",
    "a pool per file is too much memory, a shared one is a bottleneck",
    "a nofs scope around the allocation does not make it safe",
    "one mode per file: what is loaded for it at open is enough",
    "several modes: each has to be named at open",
    "the keyslots are the map already; cached derived keys still pay"};

} // namespace

double median(const lab_strategy_result& strategy, double (*figure)(const lab_turn_result&)) {
    return strategy.over_rounds(figure).median;
}

double count(const lab_strategy_result& strategy, double (*figure)(const lab_turn_result&)) {
    return strategy.count_over_rounds(figure);
}

double sum_of(const lab_strategy_result& strategy, double (*figure)(const lab_turn_result&)) {
    return std::accumulate(strategy.rounds.begin(), strategy.rounds.end(), 0.0,
                           [&](double sum, const auto& turn) { return sum + figure(turn); });
}

difference difference_to(const lab_strategy_result& strategy, const lab_strategy_result& control,
                         double (*figure)(const lab_turn_result&)) {
    return difference_of(strategy.ratios_to(control, figure));
}

std::string iops_against(const lab_strategy_result& strategy, const lab_strategy_result& control) {
    const auto verdict = difference_to(strategy, control, &iops_of);
    return fmt::format("{} times the IOPS of {}{}", ratio_text(strategy, control, &iops_of),
                       control.strategy->name,
                       verdict == difference::none      ? ", which these rounds cannot tell from none"
                       : verdict == difference::unknown ? ", in too few rounds to tell a difference"
                                                        : "");
}

claim_finding finding(std::size_t number, claim_verdict verdict, std::string text) {
    if (verdict == claim_verdict::not_shown)
        text.insert(0, "this run does not show it: ");
    return {{}, says[number - 1], verdict, std::move(text), false};
}

claim_finding shown(std::size_t number, std::string text) {
    return finding(number, claim_verdict::shown, std::move(text));
}

claim_finding not_shown(std::size_t number, std::string_view why) {
    return finding(number, claim_verdict::not_shown, fmt::format("{}.", why));
}

claim_verdict verdict_of(difference seen) {
    return seen == difference::more   ? claim_verdict::shown
           : seen == difference::less ? claim_verdict::against
                                      : claim_verdict::not_shown;
}

const lab_strategy_result* judge::find(std::string_view name) const {
    const auto is_it = [&](const lab_strategy_result& s) { return s.strategy->name == name; };
    const auto found = std::ranges::find_if(result_.strategies, is_it);
    return found == result_.strategies.end() ? nullptr : &*found;
}

const lab_strategy_result* judge::measured(std::string_view name) const {
    const auto* found = find(name);
    return found == nullptr || found->rounds.empty() ? nullptr : found;
}

std::string judge::why_missing(std::initializer_list<std::string_view> names) const {
    std::vector<std::string> reasons;
    for (const auto name : names) {
        const auto* strategy = find(name);
        if (strategy == nullptr)
            reasons.push_back(fmt::format("{} was not run (--strategies)", name));
        else if (strategy->rounds.empty())
            reasons.push_back(strategy->stop ? stop_text(*strategy) : fmt::format("{} has no round", name));
    }
    return fmt::format("{}", fmt::join(reasons, "; "));
}

claim_finding judge::missing(std::size_t number, std::initializer_list<std::string_view> names) const {
    claim_finding found = not_shown(number, why_missing(names));
    found.lacks_strategies = std::ranges::any_of(names, [&](auto name) { return find(name) == nullptr; });
    return found;
}

std::string judge::stop_text(const lab_strategy_result& strategy) const {
    return bench::stop_text(strategy, options_.strategy.memory_limit_bytes);
}

} // namespace blkcrypto::bench::judging
