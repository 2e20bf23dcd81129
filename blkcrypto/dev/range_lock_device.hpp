// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes sub-unit I/O possible, and atomic: a bio under a crypto context may begin and end at any sector here.
// Its first_dun is the DUN of the data unit that its first sector lies in; units lie at multiples of their
// size from the start of the device. What the memory has to be is what it has to be elsewhere, for the whole
// units in the middle.
//
//   read   the cut units, two at most, into memory of the queue, the rest into the caller's.
//   write  reads the cut units, changes them, writes them with the rest. If a read fails nothing is written.
//
// A range_lock, of the device, keeps a write that cuts units alone in all the units that it touches, among
// writes under a context and reads that cut units, through whichever queue. Whole-unit writes do not exclude
// each other, and whole-unit reads exclude nobody: what they overlap with is their caller's to order, as on
// any device. A read that cuts units does exclude a write that does: the sectors these two are about may
// be different ones. Plain bios pass as they are; whoever mixes them with encrypted ones in one unit orders
// them.
//
// Unlike other filters it stands above the door (inline_crypt/submit.hpp) and opens it on the lower device,
// because what it changes is plaintext. So to those above it encrypts natively whatever the lower device or
// the fallback can. It has no keyslots: start_using_key() and evict_key(), asked of it with or without a
// fallback, reach the lower device and its fallback.

#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/inline_crypt/crypto_fallback.hpp"

#include <memory>

namespace blkcrypto {

/// `lower` and `fallback`, which may be null, outlive it. What neither of the two can do alone ends with
/// notsupp. ENOMEM.
result<std::unique_ptr<block_device>> make_range_lock_device(block_device& lower, crypto_fallback* fallback,
                                                             env& e);

} // namespace blkcrypto
