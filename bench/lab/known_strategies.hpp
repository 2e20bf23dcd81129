// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which strategies a program knows: the eleven, and those that somebody brings.

#include "fsdemo/strategies/strategy_table.hpp"

#include <string>
#include <vector>

namespace blkcrypto::bench {

using strategy_list = std::vector<const fsdemo::strategy_info*>;

/// The word in --strategies for all that are known.
inline constexpr std::string_view all_strategies = "all";

/// The eleven and behind them `own`, which outlives the list. `why` is empty, or says which of them cannot be
/// among the others: its name is taken - by the control, too, and by the word for all - or cannot be typed in
/// a list, or its texts are not printable.
strategy_list known_strategies(std::span<const fsdemo::strategy_info> own, std::string& why);

} // namespace blkcrypto::bench
