// SPDX-License-Identifier: Apache-2.0
#pragma once
// A filter that puts stretches of lower devices one after the other (dm-linear). A sector of it is not the
// sector of the lower device, but a data unit keeps its DUN: a bio with a crypto context passes down with
// its context, cut where it crosses from one target into the next.
//
// It encrypts nothing by itself. What all lower devices do natively it does natively; its profile has no
// keyslots, only the way to evict a key from theirs.

#include "blkcrypto/block/block_device.hpp"

#include <memory>
#include <vector>

namespace blkcrypto {

/// A stretch of a lower device.
struct linear_target {
    block_device* lower;
    sector first; // on the lower device
    sector length;
};

/// The targets in the order given; lower devices outlive it, and may come more than once. EINVAL: no target,
/// an empty one, one that does not lie within its lower device, one that does not begin and end on a logical
/// block of the whole, or more sectors than have an offset in bytes. ENOMEM.
result<std::unique_ptr<block_device>> make_linear_device(const std::vector<linear_target>& targets, env& e);

} // namespace blkcrypto
