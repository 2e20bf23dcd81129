// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_result.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <numeric>

namespace blkcrypto::bench {
namespace {

spread spread_or_none(std::vector<double> values) {
    return values.empty() ? spread{} : spread_of(std::move(values));
}

// Of what a round has of it on average; rounds that have none of them say nothing.
double median_of_averages(const std::vector<lab_turn_result>& rounds, std::uint64_t time_attribution::*count,
                          auto sum) {
    std::vector<double> averages;
    for (const auto& round : rounds)
        if (const std::uint64_t divisor = round.attribution.*count; divisor != 0)
            averages.push_back(static_cast<double>(sum(round.attribution)) / static_cast<double>(divisor));
    return spread_or_none(std::move(averages)).median;
}

double setup_median(const std::vector<lab_turn_result>& rounds, std::uint64_t time_attribution::*sum) {
    return median_of_averages(rounds, &time_attribution::setups,
                              [&](const time_attribution& of) { return of.*sum; });
}

// Those that left the same image.
struct image_group {
    std::string_view hash;
    std::vector<std::string_view> names;
};

std::vector<image_group> image_groups(std::span<const lab_strategy_result> strategies, std::size_t round) {
    std::vector<image_group> groups;
    for (const auto& strategy : strategies) {
        if (round >= strategy.rounds.size())
            continue;
        const std::string_view hash = strategy.rounds[round].image_hash;
        auto group = std::ranges::find(groups, hash, &image_group::hash);
        if (group == groups.end())
            group = groups.insert(groups.end(), {hash, {}});
        group->names.push_back(strategy.strategy->name);
    }
    return groups;
}

std::string group_text(const image_group& group) {
    const std::string names = fmt::format("{}", fmt::join(group.names, ", "));
    return group.names.size() == 1 ? names : fmt::format("({})", names);
}

} // namespace

time_attribution& time_attribution::operator+=(const time_attribution& other) noexcept {
    ios += other.ios;
    whole_ns += other.whole_ns;
    for (std::size_t part = 0; part < io_part_count; ++part)
        part_ns[part] += other.part_ns[part];
    setups += other.setups;
    setup_derive_ns += other.setup_derive_ns;
    setup_setkey_ns += other.setup_setkey_ns;
    setup_allocate_ns += other.setup_allocate_ns;
    return *this;
}

spread lab_strategy_result::over_rounds(double (*figure)(const lab_turn_result&)) const {
    std::vector<double> values;
    for (const auto& round : rounds)
        values.push_back(figure(round));
    return spread_or_none(std::move(values));
}

double lab_strategy_result::count_over_rounds(double (*count)(const lab_turn_result&)) const {
    std::vector<double> counts;
    for (const auto& round : rounds)
        counts.push_back(count(round));
    if (counts.empty())
        return 0;
    std::ranges::sort(counts);
    return counts[(counts.size() - 1) / 2];
}

std::vector<double> lab_strategy_result::ratios_to(const lab_strategy_result& control,
                                                   double (*figure)(const lab_turn_result&)) const {
    std::vector<double> values;
    for (std::size_t round = 0; round < std::min(rounds.size(), control.rounds.size()); ++round) {
        const double base = figure(control.rounds[round]);
        values.push_back(base == 0 ? 0 : figure(rounds[round]) / base);
    }
    return values;
}

spread lab_strategy_result::ratio_to(const lab_strategy_result& control,
                                     double (*figure)(const lab_turn_result&)) const {
    return spread_or_none(ratios_to(control, figure));
}

latency_histogram lab_strategy_result::latencies() const {
    latency_histogram all;
    for (const auto& round : rounds)
        all += round.latencies;
    return all;
}

io_times lab_strategy_result::times() const {
    io_times all;
    for (const auto& round : rounds) {
        all.ios += round.attribution.ios;
        all.setups += round.attribution.setups;
    }
    for (std::size_t part = 0; part < io_part_count; ++part)
        all.part_ns[part] = median_of_averages(rounds, &time_attribution::ios,
                                               [&](const auto& of) { return of.part_ns[part]; });
    all.whole_ns = std::accumulate(all.part_ns.begin(), all.part_ns.end(), 0.0);
    all.setup_derive_ns = setup_median(rounds, &time_attribution::setup_derive_ns);
    all.setup_setkey_ns = setup_median(rounds, &time_attribution::setup_setkey_ns);
    all.setup_allocate_ns = setup_median(rounds, &time_attribution::setup_allocate_ns);
    return all;
}

std::string image_difference(std::span<const lab_strategy_result> strategies, std::size_t round) {
    const auto groups = image_groups(strategies, round);
    if (groups.size() < 2)
        return {};
    std::size_t all = 0;
    for (const auto& group : groups)
        all += group.names.size();
    std::vector<std::string_view> others;
    std::vector<std::string> texts;
    for (const auto& group : groups) {
        texts.push_back(group_text(group));
        if (2 * group.names.size() <= all)
            others.insert(others.end(), group.names.begin(), group.names.end());
    }
    if (others.size() < all)
        return fmt::format("{}", fmt::join(others, ", "));
    return fmt::format("{} differ", fmt::join(texts, " and "));
}

} // namespace blkcrypto::bench
