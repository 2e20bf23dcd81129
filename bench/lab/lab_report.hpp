// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `blkbench strategies` tells: tables, bar charts and sentences that fit into a mail, and the same as
// JSON (schema blkbench.strategies).

#include "bench/lab/claims.hpp"

#include <nlohmann/json.hpp>

namespace blkcrypto::bench {

/// ASCII, at most 78 columns wide; with a strategy whose name has more than 19 characters, wider by those.
std::string lab_text(const lab_options& options, const lab_result& result,
                     std::span<const claim_finding> claims);

nlohmann::ordered_json lab_json(const lab_options& options, const lab_result& result,
                                std::span<const claim_finding> claims);

} // namespace blkcrypto::bench
