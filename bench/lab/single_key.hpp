// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control of the lab: what I/O costs when no key ever changes. One transform of each mode, keyed once, is
// lent for every extent, whatever its key. What it writes nobody else can read: it has an image of its own.

#include "fsdemo/strategies/strategy_table.hpp"

namespace blkcrypto::bench {

const fsdemo::strategy_info& single_key_strategy() noexcept;

} // namespace blkcrypto::bench
