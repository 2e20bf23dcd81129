// SPDX-License-Identifier: Apache-2.0
#pragma once
// Two stored runs beside each other: what moved, row by row, whose figures are of the same path and mode
// whatever else either run has. A figure has moved beyond the spread if its medians differ
// and its ranges from the lower to the upper quartile do not overlap. Only ratios say that something got
// worse: they were taken within rounds, and what a shared machine does to all figures alike is not in them.

#include "bench/stored_run.hpp"

#include <nlohmann/json.hpp>

namespace blkcrypto::bench {

enum class figure_verdict { same, better, worse };

struct figure_diff {
    std::string name; // with the mode if the two runs have several
    bool is_ratio;
    better_when better;
    spread before;
    spread after;
    figure_verdict verdict;
};

struct run_diff {
    std::vector<figure_diff> figures; // of both runs, in the order of the earlier one
    std::vector<std::string> only_before;
    std::vector<std::string> only_after;
    std::vector<std::string> settings; // different, or of one run only, in words

    /// Of the ratios.
    std::size_t ratios() const;
    std::vector<std::string> worse_ratios() const;
};

figure_verdict judge(const spread& before, const spread& after, better_when better);

/// The first thing that makes them runs of something else; empty: they can be set beside each other.
std::string why_not_comparable(const stored_run& before, const stored_run& after);

/// Of runs that can.
run_diff diff_of(const stored_run& before, const stored_run& after);

std::string diff_text(const run_diff& diff);
nlohmann::ordered_json diff_json(const run_diff& diff);

} // namespace blkcrypto::bench
