// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_figures.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

constexpr double ns_per_s = 1e9;
constexpr double gib = 1024.0 * 1024 * 1024;

double real(std::uint64_t count) {
    return static_cast<double>(count);
}

// 0 where there is nothing to divide by.
double quotient(double value, double by) {
    return by == 0 ? 0 : value / by;
}

double percentile_of(const lab_turn_result& turn, double fraction) {
    return real(turn.latencies.percentile(fraction));
}

double cpu_s_per_gib(const lab_turn_result& turn, std::uint64_t cpu_ns) {
    return quotient(real(cpu_ns) / ns_per_s, real(turn.bytes) / gib);
}

// A number in the largest of units that it is one of at least.
template <std::size_t N>
std::string in_unit(double value, double step, const std::array<std::string_view, N>& units) {
    std::size_t unit = 0;
    while (unit + 1 < N && value >= step) {
        value /= step;
        ++unit;
    }
    return fmt::format("{} {}", short_number(value), units[unit]);
}

// That of so many coins at most `fewer` fall on one side, whichever. By logarithms: 2^-10000 is no double.
double chance_of_signs(double fewer, double all) {
    double sum = 0;
    for (double i = 0; i <= fewer; ++i)
        sum += std::exp(std::lgamma(all + 1) - std::lgamma(i + 1) - std::lgamma(all - i + 1) -
                        all * std::log(2.0));
    return std::min(1.0, 2 * sum);
}

int digits_of(double value) {
    return value >= 100 || value == 0 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
}

} // namespace

double iops_of(const lab_turn_result& turn) {
    return quotient(real(turn.ios) * ns_per_s, real(turn.elapsed_ns));
}
double ios_of(const lab_turn_result& turn) {
    return real(turn.ios);
}
double bytes_per_s_of(const lab_turn_result& turn) {
    return quotient(real(turn.bytes) * ns_per_s, real(turn.elapsed_ns));
}
double open_ns_of(const lab_turn_result& turn) {
    return quotient(real(turn.open_ns), real(turn.files_opened));
}
double open_max_ns_of(const lab_turn_result& turn) {
    return real(turn.open_max_ns);
}
double first_byte_ns_of(const lab_turn_result& turn) {
    return real(turn.first_byte_ns);
}
double p50_ns_of(const lab_turn_result& turn) {
    return percentile_of(turn, 0.5);
}
double p99_ns_of(const lab_turn_result& turn) {
    return percentile_of(turn, 0.99);
}
double p999_ns_of(const lab_turn_result& turn) {
    return percentile_of(turn, 0.999);
}
double host_cpu_s_per_gib_of(const lab_turn_result& turn) {
    return cpu_s_per_gib(turn, turn.host_cpu_ns);
}
double engine_cpu_s_per_gib_of(const lab_turn_result& turn) {
    return cpu_s_per_gib(turn, turn.engine_cpu_ns);
}
double host_cpu_ns_per_io_of(const lab_turn_result& turn) {
    return turn.ios == 0 ? 0 : real(turn.host_cpu_ns) / real(turn.ios);
}
double hits_of(const lab_turn_result& turn) {
    return real(turn.tfm_use.hits);
}
double misses_of(const lab_turn_result& turn) {
    return real(turn.tfm_use.misses);
}
double steals_of(const lab_turn_result& turn) {
    return real(turn.tfm_use.evictions);
}
double waits_of(const lab_turn_result& turn) {
    return real(turn.tfm_use.waits);
}
double hit_percent_of(const lab_turn_result& turn) {
    return quotient(100 * hits_of(turn), hits_of(turn) + misses_of(turn));
}
double derived_key_hits_of(const lab_turn_result& turn) {
    return real(turn.derived_keys.hits);
}
double derived_key_misses_of(const lab_turn_result& turn) {
    return real(turn.derived_keys.misses);
}
double transforms_of(const lab_turn_result& turn) {
    return real(turn.figures.transforms);
}
double transform_bytes_max_of(const lab_turn_result& turn) {
    return real(turn.figures.transform_bytes_max);
}
double pinned_bytes_of(const lab_turn_result& turn) {
    return real(turn.figures.pinned_bytes);
}
double pinned_bytes_per_file_of(const lab_turn_result& turn) {
    return quotient(pinned_bytes_of(turn), real(turn.files_opened));
}
double reclaimable_bytes_of(const lab_turn_result& turn) {
    return std::max(0.0, real(turn.figures.transform_bytes) - pinned_bytes_of(turn));
}
double info_bytes_of(const lab_turn_result& turn) {
    return real(turn.info_bytes);
}
double io_allocations_of(const lab_turn_result& turn) {
    return real(turn.figures.io_allocations);
}
double io_allocations_per_io_of(const lab_turn_result& turn) {
    return quotient(io_allocations_of(turn), real(turn.ios));
}
double io_allocated_bytes_of(const lab_turn_result& turn) {
    return real(turn.figures.io_allocated_bytes);
}
double modules_loaded_of(const lab_turn_result& turn) {
    return real(turn.modules_loaded);
}
double modules_loaded_in_io_of(const lab_turn_result& turn) {
    return real(turn.modules_loaded_in_io);
}

std::size_t complete_strategies(const lab_result& result) {
    return static_cast<std::size_t>(
        std::ranges::count_if(result.strategies, &lab_strategy_result::is_complete));
}

bool has_tfm_use(const lab_strategy_result& strategy) {
    return std::ranges::any_of(strategy.rounds,
                               [](const auto& turn) { return hits_of(turn) + misses_of(turn) != 0; });
}

difference difference_of(const std::vector<double>& ratios) {
    constexpr double near = 0.02;
    constexpr double noise_max = 0.05;
    if (ratios.size() < difference_rounds_min)
        return difference::unknown;
    const auto less = std::ranges::count_if(ratios, [](double ratio) { return ratio < 1; });
    const auto more = std::ranges::count_if(ratios, [](double ratio) { return ratio > 1; });
    const double by_noise = chance_of_signs(static_cast<double>(std::min(less, more)),
                                            static_cast<double>(less + more)); // ties have no sign
    if (by_noise >= noise_max || std::abs(spread_of(ratios).median - 1) < near)
        return difference::none;
    return less > more ? difference::less : difference::more;
}

std::string_view strategy_pair::verdict() const {
    switch (difference_of(strategy->ratios_to(*to, &iops_of))) {
    case difference::more:
        return "faster";
    case difference::less:
        return "slower";
    case difference::none:
    case difference::unknown:
        break;
    }
    return "cannot tell";
}

std::vector<strategy_pair> own_pairs(const lab_result& result) {
    std::vector<strategy_pair> pairs;
    for (const auto& own : result.strategies) {
        if (fsdemo::find_strategy(own.strategy->name) != nullptr)
            continue;
        for (const auto& other : result.strategies)
            if (&other != &own && !own.rounds.empty() && !other.rounds.empty())
                pairs.push_back({&own, &other});
    }
    return pairs;
}

std::string short_number(double value) {
    constexpr double whole_max = 1e7;
    if (value >= whole_max)
        return fmt::format("{:.3g}", value);
    if (value == std::floor(value))
        return fmt::format("{:.0f}", value);
    return fmt::format("{:.{}f}", value, digits_of(value));
}

std::string time_text(double ns) {
    return in_unit(ns, 1000, std::array<std::string_view, 4>{"ns", "us", "ms", "s"});
}

std::string bytes_text(double bytes) {
    return in_unit(bytes, 1024, std::array<std::string_view, 5>{"B", "KiB", "MiB", "GiB", "TiB"});
}

std::string plural(std::uint64_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string counted(double median, std::string_view noun) {
    return fmt::format("{} {}{}", short_number(median), noun, median == 1 ? "" : "s");
}

std::string stop_text(const lab_strategy_result& strategy, std::uint64_t memory_limit_bytes) {
    const lab_stop& stop = *strategy.stop;
    const std::string why =
        stop.at_memory_limit ? fmt::format("at the memory limit of {}", bytes_text(real(memory_limit_bytes)))
                             : fmt::format("with {}", cli::errno_name(stop.error.value()));
    return fmt::format("{} stopped {}, {}: it had {}, {}", strategy.strategy->name, why, stop.where,
                       plural(stop.transforms, "transform"), bytes_text(real(stop.transform_bytes)));
}

std::string ratio_text(const lab_strategy_result& strategy, const lab_strategy_result& other,
                       double (*figure)(const lab_turn_result&)) {
    const auto ratios = strategy.ratios_to(other, figure);
    if (ratios.empty())
        return "-";
    const auto [median, p25, p75] = spread_of(ratios);
    const int digits = digits_of(median);
    const std::string middle = fmt::format("{:.{}f}", median, digits);
    return ratios.size() == 1 ? middle
                              : fmt::format("{} ({:.{}f}-{:.{}f})", middle, p25, digits, p75, digits);
}

} // namespace blkcrypto::bench
