// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run says about the claims of the discussion that this lab is about, S1 to S9: a sentence each, made
// of the run's own numbers, or that the run does not show it.

#include "bench/lab/lab_options.hpp"
#include "bench/lab/lab_result.hpp"

#include <string>
#include <vector>

namespace blkcrypto::bench {

struct claim_finding {
    std::string_view claim; // "S1"
    std::string_view says;  // the claim in a few words
    bool is_shown = false;  // the run has the numbers
    std::string shows;      // the sentence; "this run does not show it: ..." with what would
};

std::vector<claim_finding> judge_claims(const lab_options& options, const lab_result& result);

} // namespace blkcrypto::bench
