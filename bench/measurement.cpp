// SPDX-License-Identifier: Apache-2.0
#include "bench/measurement.hpp"

#include "blkcrypto/tools/cli/statistics.hpp"

#include <algorithm>

namespace blkcrypto::bench {
namespace {

constexpr double gib = 1024.0 * 1024 * 1024;
constexpr double ns_per_s = 1e9;

double ratio(double value, double to) {
    return to == 0 ? 0 : value / to;
}

} // namespace

round_figures figures_of(const slice_result& slice) {
    const double seconds = static_cast<double>(slice.elapsed_ns) / ns_per_s;
    const double gibs = static_cast<double>(slice.bytes) / gib;
    const auto percentile = [&](double fraction) {
        return static_cast<double>(slice.latencies.percentile(fraction));
    };
    return {.bytes_per_s = ratio(static_cast<double>(slice.bytes), seconds),
            .iops = ratio(static_cast<double>(slice.ios), seconds),
            .p50_ns = percentile(0.5),
            .p99_ns = percentile(0.99),
            .p999_ns = percentile(0.999),
            .host_cpu_s_per_gib = ratio(static_cast<double>(slice.host_cpu_ns) / ns_per_s, gibs),
            .engine_cpu_s_per_gib = ratio(static_cast<double>(slice.engine_cpu_ns) / ns_per_s, gibs)};
}

spread spread_of(std::vector<double> values) {
    std::ranges::sort(values);
    return {cli::quantile_of_sorted(values, 0.5), cli::quantile_of_sorted(values, 0.25),
            cli::quantile_of_sorted(values, 0.75)};
}

void path_measurement::add(const slice_result& slice) {
    rounds.push_back(figures_of(slice));
    keyslots += slice.keyslots;
    errors += slice.errors;
    if (!first_failure)
        first_failure = slice.first_failure;
}

spread path_measurement::over_rounds(double round_figures::*figure) const {
    std::vector<double> values;
    for (const auto& round : rounds)
        values.push_back(round.*figure);
    return spread_of(std::move(values));
}

spread path_measurement::ratio_to(const path_measurement& control, double round_figures::*figure) const {
    std::vector<double> values;
    for (std::size_t i = 0; i < rounds.size(); ++i)
        values.push_back(ratio(rounds[i].*figure, control.rounds[i].*figure));
    return spread_of(std::move(values));
}

const path_measurement* find_control(std::span<const path_measurement> paths) {
    const auto found =
        std::ranges::find_if(paths, [](const auto& path) { return path.subject.kind == path_kind::plain; });
    return found == paths.end() ? nullptr : &*found;
}

} // namespace blkcrypto::bench
