// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the functions of the claims share: the run they judge, the strategies in it, and how a finding is
// made. Nobody else's than those of claims.cpp and claims_of_maps.cpp.

#include "bench/lab/claims.hpp"
#include "bench/lab/lab_figures.hpp"

#include <initializer_list>

namespace blkcrypto::bench::judging {

double median(const lab_strategy_result& strategy, double (*figure)(const lab_turn_result&));
/// The same of what is counted.
double count(const lab_strategy_result& strategy, double (*figure)(const lab_turn_result&));
/// Of all rounds.
double sum_of(const lab_strategy_result& strategy, double (*figure)(const lab_turn_result&));
difference difference_to(const lab_strategy_result& strategy, const lab_strategy_result& control,
                         double (*figure)(const lab_turn_result&));
/// "1.30 (1.25-1.33) times the IOPS of pool-global"
std::string iops_against(const lab_strategy_result& strategy, const lab_strategy_result& control);

/// Of claim S`number`; what a text of one that is not shown begins with is put before it.
claim_finding finding(std::size_t number, claim_verdict verdict, std::string text);
claim_finding shown(std::size_t number, std::string text);
/// `why` without its full stop.
claim_finding not_shown(std::size_t number, std::string_view why);
/// Of a claim that is for more. No difference is not the contrary: other sizes or more rounds may show one.
claim_verdict verdict_of(difference seen);

class judge {
  public:
    judge(const lab_options& options, const lab_result& result) : options_(options), result_(result) {}

    claim_finding s1() const;
    claim_finding s2() const;
    claim_finding s3() const;
    claim_finding s4() const;
    claim_finding s5() const;
    claim_finding s6() const;
    claim_finding s7() const;
    claim_finding s8() const;
    claim_finding s9() const;

  private:
    const lab_strategy_result* find(std::string_view name) const;
    /// Null: not asked for, or stopped before it finished a round.
    const lab_strategy_result* measured(std::string_view name) const;
    /// Of those, what keeps a claim from being judged; empty if all were measured.
    std::string why_missing(std::initializer_list<std::string_view> names) const;
    /// Not shown for that.
    claim_finding missing(std::size_t number, std::initializer_list<std::string_view> names) const;

    std::string stop_text(const lab_strategy_result& strategy) const;
    claim_finding stopped_opening(const lab_strategy_result& all) const;
    std::string open_costs_text(const lab_strategy_result& all, const lab_strategy_result& map) const;
    claim_finding open_costs(const lab_strategy_result& all, const lab_strategy_result& map) const;
    std::string shared_pools_text(const lab_strategy_result& per_file) const;
    claim_verdict pool_memory_verdict(const lab_strategy_result& per_file,
                                      const lab_strategy_result& global) const;
    claim_verdict bottleneck_verdict(const lab_strategy_result& per_file,
                                     const lab_strategy_result& global) const;
    std::string waits_text(const lab_strategy_result& pool) const;
    std::string by_mounts(double modules) const;

    struct quietness {
        std::string text;      // empty: there is no strategy that sets up at open
        claim_verdict verdict; // that all of them are quiet in the I/O path
    };
    quietness quiet_ones() const;
    claim_finding none_is_quiet(std::size_t number) const;

    std::string told_nothing_text() const;
    std::string slots_and_map_text(const lab_strategy_result& slots, const lab_strategy_result& map) const;
    std::string derived_keys_text(const lab_strategy_result& slots) const;
    claim_verdict map_and_cache_verdict(const lab_strategy_result& slots,
                                        const lab_strategy_result& map) const;

    const lab_options& options_;
    const lab_result& result_;
};

} // namespace blkcrypto::bench::judging
