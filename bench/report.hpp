// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `blkbench compare` tells: a table for people, with the sentences that say what its numbers mean, and
// the same as JSON (schema blkbench.compare).

#include "bench/compare_options.hpp"
#include "bench/controls.hpp"
#include "bench/measurement.hpp"
#include "bench/verify.hpp"

#include <nlohmann/json.hpp>

namespace blkcrypto::bench {

struct machine_info {
    std::string cpu_model;
    std::string kernel;
    unsigned cores = 0;
};
machine_info this_machine();

struct compare_result {
    machine_info machine;
    control_figures controls;
    std::vector<path_measurement> paths; // in the order asked for
    std::optional<verify_result> verify; // nothing: no encrypted path, or not asked for
};

/// At most 100 columns wide.
std::string report_text(const compare_options& options, const compare_result& result);

nlohmann::ordered_json report_json(const compare_options& options, const compare_result& result);

} // namespace blkcrypto::bench
