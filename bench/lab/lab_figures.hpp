// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the reports make of the numbers of a round: figures for lab_strategy_result::over_rounds() and
// ratio_to(), differences worth a word, and all of it as short text.

#include "bench/lab/lab_result.hpp"

namespace blkcrypto::bench {

double iops_of(const lab_turn_result& turn);
double ios_of(const lab_turn_result& turn);
double bytes_per_s_of(const lab_turn_result& turn);
double open_ns_of(const lab_turn_result& turn); // of a file
double open_max_ns_of(const lab_turn_result& turn);
double first_byte_ns_of(const lab_turn_result& turn);
double p50_ns_of(const lab_turn_result& turn);
double p99_ns_of(const lab_turn_result& turn);
double p999_ns_of(const lab_turn_result& turn);
double host_cpu_s_per_gib_of(const lab_turn_result& turn);
double engine_cpu_s_per_gib_of(const lab_turn_result& turn);
double host_cpu_ns_per_io_of(const lab_turn_result& turn);
double hits_of(const lab_turn_result& turn);
double misses_of(const lab_turn_result& turn);
double steals_of(const lab_turn_result& turn);
double waits_of(const lab_turn_result& turn);
double hit_percent_of(const lab_turn_result& turn);
double derived_key_hits_of(const lab_turn_result& turn);
double derived_key_misses_of(const lab_turn_result& turn);
double transforms_of(const lab_turn_result& turn);
double transform_bytes_max_of(const lab_turn_result& turn);
double pinned_bytes_of(const lab_turn_result& turn);
double pinned_bytes_per_file_of(const lab_turn_result& turn);
double reclaimable_bytes_of(const lab_turn_result& turn);
double info_bytes_of(const lab_turn_result& turn);
double io_allocations_of(const lab_turn_result& turn);
double io_allocations_per_io_of(const lab_turn_result& turn);
double io_allocated_bytes_of(const lab_turn_result& turn);
double modules_loaded_of(const lab_turn_result& turn);
double modules_loaded_in_io_of(const lab_turn_result& turn);

/// That came to the end of every round.
std::size_t complete_strategies(const lab_result& result);

/// Someone asked it for transforms at all: else there is no rate of hits.
bool has_tfm_use(const lab_strategy_result& strategy);

/// Less than so many rounds tell no difference, whatever it is: noise puts five on one side of 1 once in 16
/// runs.
inline constexpr std::size_t difference_rounds_min = 6;

/// Of the rounds' ratios to a control, by a sign test: a difference only if noise alone would put so many of
/// them on one side of 1 in less than one run of 20, and only if the median is not next to 1.
enum class difference : std::uint8_t { unknown, less, none, more };
difference difference_of(const std::vector<double>& ratios);

/// A strategy that is none of the eleven, against one that ran beside it.
struct strategy_pair {
    const lab_strategy_result* strategy;
    const lab_strategy_result* to;

    /// Of IOPS: "faster", "slower" or "cannot tell".
    std::string_view verdict() const;
};

/// Of each such strategy with each other that has a round in common with it.
std::vector<strategy_pair> own_pairs(const lab_result& result);

/// Three digits or so.
std::string short_number(double value);
/// "812 ns", "12.3 us", "4.56 ms"
std::string time_text(double ns);
/// "512 B", "1.25 MiB"
std::string bytes_text(double bytes);
/// "1 module", "2 modules"
std::string plural(std::uint64_t count, std::string_view noun);
std::string counted(double median, std::string_view noun);
/// "all-at-open stopped at the memory limit of 1 MiB, opening file 3 of 8: it had ...". It did stop.
std::string stop_text(const lab_strategy_result& strategy, std::uint64_t memory_limit_bytes);
/// "0.97 (0.95-0.99)", of one round "0.97": of a strategy to another in the rounds that both have.
std::string ratio_text(const lab_strategy_result& strategy, const lab_strategy_result& other,
                       double (*figure)(const lab_turn_result&));

} // namespace blkcrypto::bench
