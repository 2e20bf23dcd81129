// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run says about the claims of the discussion that this lab is about, S1 to S9: a sentence each, made
// of the run's own numbers, or that the run does not show it.

#include "bench/lab/lab_options.hpp"
#include "bench/lab/lab_result.hpp"

#include <array>
#include <string>
#include <vector>

namespace blkcrypto::bench {

/// The numbers are as the claim has it, or the other way; or they cannot tell.
enum class claim_verdict : std::uint8_t { shown, against, not_shown };
inline constexpr std::array<std::string_view, 3> claim_verdict_names{"shown", "against", "not shown"};

struct claim_finding {
    std::string_view claim; // "S1"
    std::string_view says;  // the claim in a few words
    claim_verdict verdict = claim_verdict::not_shown;
    std::string shows; // the sentence; "this run does not show it: ..." exactly if it is not shown
    bool lacks_strategies = false; // it is not shown because some that it is about were not asked for

    bool is_shown() const noexcept { return verdict == claim_verdict::shown; }
};

std::vector<claim_finding> judge_claims(const lab_options& options, const lab_result& result);

} // namespace blkcrypto::bench
