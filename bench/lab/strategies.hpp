// SPDX-License-Identifier: Apache-2.0
#pragma once
// The verb `strategies`: every answer to the question when an extent gets its key, over the same workload.

#include "blkcrypto/tools/cli/program.hpp"
#include "fsdemo/strategies/strategy_table.hpp"

#include <vector>

namespace blkcrypto::bench {

/// It offers the strategies that are known, which outlive it.
std::unique_ptr<cli::verb> make_strategies_verb(std::vector<const fsdemo::strategy_info*> known);

} // namespace blkcrypto::bench
