// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_result.hpp"

#include <algorithm>

namespace blkcrypto::bench {
namespace {

spread spread_or_none(std::vector<double> values) {
    return values.empty() ? spread{} : spread_of(std::move(values));
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

time_attribution lab_strategy_result::attribution() const {
    time_attribution all;
    for (const auto& round : rounds)
        all += round.attribution;
    return all;
}

} // namespace blkcrypto::bench
