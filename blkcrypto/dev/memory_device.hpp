// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device whose medium is memory: the shortest one that keeps what it is given. submit() copies at once;
// poll() only runs the end_io. What was discarded reads as zeros. Any number of queues share the memory; two
// bios that overlap at the same time on two threads are the caller's race, as they are on a disk.

#include "blkcrypto/block/block_device.hpp"

namespace blkcrypto {

/// Memory of its own, all zeros at first. ENOMEM; EINVAL for no sectors.
result<std::unique_ptr<block_device>> make_memory_device(sector capacity);

/// The caller's memory, for whoever wants to see the bytes; it outlives the device. A part of a sector at the
/// end does not count.
std::unique_ptr<block_device> make_memory_device(bytes_span storage);

} // namespace blkcrypto
