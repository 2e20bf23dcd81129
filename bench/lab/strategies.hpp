// SPDX-License-Identifier: Apache-2.0
#pragma once
// The verb `strategies`: every answer to the question when an extent gets its key, over the same workload.

#include "bench/lab/known_strategies.hpp"
#include "blkcrypto/tools/cli/program.hpp"

namespace blkcrypto::bench {

/// It offers the strategies that are known, which outlive it.
std::unique_ptr<cli::verb> make_strategies_verb(strategy_list known);

} // namespace blkcrypto::bench
