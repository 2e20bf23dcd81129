// SPDX-License-Identifier: Apache-2.0
#pragma once
// The program `blkbench` for whoever brings a strategy of his own: its main() in one call.

#include "fsdemo/strategies/strategy_table.hpp"

#include <span>

namespace blkcrypto::bench {

/// What main() should return. The strategies are offered by the verb `strategies` beside the eleven; one with
/// a name that is taken ends the program with a message. Their table outlives the call. With strategies of
/// its own the program goes by the name it was called by.
int run_blkbench(int argc, char** argv, std::span<const fsdemo::strategy_info> own = {});

} // namespace blkcrypto::bench
