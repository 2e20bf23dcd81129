// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `blkbench compare` tells: tables for people, one for each mode, with the sentences that say what their
// numbers mean; and the same as JSON (schema blkbench.compare).

#include "bench/compare_options.hpp"
#include "bench/controls.hpp"
#include "bench/machine_info.hpp"
#include "bench/measurement.hpp"
#include "bench/verify.hpp"

#include <nlohmann/json.hpp>

namespace blkcrypto::bench {

/// What there is of a mode beside the figures of its paths.
struct mode_result {
    const crypto_mode_info* info;
    std::string_view implementation;       // "none"
    std::optional<spread> cipher_gb_per_s; // a control; nothing: no implementation
    std::optional<verify_result> verify;   // nothing: no encrypted path, or not asked for
};

struct compare_result {
    machine_info machine;
    control_figures controls;
    std::vector<mode_result> modes;      // in the order asked for
    std::vector<path_measurement> paths; // in the order of the subjects
};

/// At most 100 columns wide.
std::string report_text(const compare_options& options, const compare_result& result);

/// What is of one mode, in `options`, `controls` and `verify`, is there as such if there is one. Of several
/// it is null, or in `verify` of all together, and each of the three has an array `modes` with an object a
/// mode.
nlohmann::ordered_json report_json(const compare_options& options, const compare_result& result);

} // namespace blkcrypto::bench
