// SPDX-License-Identifier: Apache-2.0
#pragma once
// Linear devices of different layouts over lower devices of any kind: what the conformance cases are tried
// on. The first boundaries come early, where the cases have their bios.

#include "tests/dev/owning_device.hpp"

#include <functional>

namespace blkcrypto::test {

using lower_maker = std::function<std::unique_ptr<block_device>(sector capacity)>;

/// Two stretches of two lower devices, neither of which begins where its lower device does.
std::unique_ptr<block_device> make_linear_of_two(sector capacity, const lower_maker& make_lower);

/// Three stretches of two lower devices: the first and the last lie on the same one, the later one first.
std::unique_ptr<block_device> make_linear_out_of_order(sector capacity, const lower_maker& make_lower);

/// Stretches of seven sectors of two lower devices in turn: a large bio has more pieces than a queue has.
std::unique_ptr<block_device> make_linear_of_stripes(sector capacity, const lower_maker& make_lower);

} // namespace blkcrypto::test
