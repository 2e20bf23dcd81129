// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tfm source blk-crypto-fallback has: a private profile whose slots each hold one preallocated tfm per
// mode that somebody started to use (blk_crypto_fallback_start_using_mode() of block/blk-crypto-fallback.c).

#include "blkcrypto/block/kernel_generation.hpp"
#include "blkcrypto/inline_crypt/slot_tfms.hpp"
#include "blkcrypto/inline_crypt/tfm_source.hpp"

namespace blkcrypto {

/// ENOMEM; EINVAL for no slots or too many. `lanes`: how many threads are expected to crypt at once. The
/// modes are those the kernel has.
result<std::unique_ptr<tfm_source>> make_keyslot_tfms(env& e, unsigned num_slots, unsigned lanes,
                                                      const kernel_generation& kernel = {});

} // namespace blkcrypto
