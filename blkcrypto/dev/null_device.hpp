// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device without a medium: everything ends well and at once, reads leave the memory as it was. Benchmarks
// put it below what they measure; it is also the least that a device can be.

#include "blkcrypto/block/block_device.hpp"

namespace blkcrypto {

std::unique_ptr<block_device> make_null_device(sector capacity);

} // namespace blkcrypto
