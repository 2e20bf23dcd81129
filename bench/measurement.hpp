// SPDX-License-Identifier: Apache-2.0
#pragma once
// From the slices of a subject to the figures that are reported: per round first, so that a ratio compares
// slices that were next to each other in time; then the median over rounds, and how far they are spread.

#include "bench/compare_subject.hpp"
#include "bench/workload.hpp"

#include <span>
#include <vector>

namespace blkcrypto::bench {

/// The figures of one slice.
struct round_figures {
    double bytes_per_s = 0;
    double iops = 0;
    double p50_ns = 0;
    double p99_ns = 0;
    double p999_ns = 0;
    double host_cpu_s_per_gib = 0;
    double engine_cpu_s_per_gib = 0;
};

round_figures figures_of(const slice_result& slice);

/// Over rounds: the median, and the quartiles around it.
struct spread {
    double median = 0;
    double p25 = 0;
    double p75 = 0;
};

/// `values` is not empty. Quantiles between two values are interpolated.
spread spread_of(std::vector<double> values);

/// All that was measured of one subject.
struct path_measurement {
    compare_subject subject;
    image_io io = image_io::automatic; // how its image was read and written
    std::vector<round_figures> rounds;
    keyslot_counters keyslots; // of all rounds together
    std::uint64_t errors = 0;
    std::optional<io_failure> first_failure;

    void add(const slice_result& slice);
    spread over_rounds(double round_figures::*figure) const;
    /// Of this path's figure to the control's in the same round.
    spread ratio_to(const path_measurement& control, double round_figures::*figure) const;
};

/// The plain path; null if it was not among them.
const path_measurement* find_control(std::span<const path_measurement> paths);

} // namespace blkcrypto::bench
