// SPDX-License-Identifier: Apache-2.0
#pragma once
// The "hardware": a filter that takes bios with crypto contexts, crypts at the bottom of the stack, and has
// keyslots of its own. It stands where a UFS or eMMC controller with an inline engine would; the crypting
// runs on an executor of its own, so that the CPU time of the engine can be told from the host's.
//
// Not a model of any device's timing on the machine's clock: there it is as fast as its software. Under a
// virtual clock a bio takes the time that the profile says.

#include "blkcrypto/base/env.hpp"
#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/dev/engine_profile.hpp"

#include <memory>

namespace blkcrypto {

/// Where the engine runs. Threads of the executor are numbered 0 .. workers-1.
struct engine_executor {
    executor& runs_on;
    unsigned workers;
};

/// An engine of that profile in front of `lower`; lower device and executor outlive it. The modes it takes
/// are those of the profile that this build has an implementation of. ENOPKG: none of them. ENOMEM; EINVAL:
/// no worker.
result<std::unique_ptr<block_device>> make_inline_crypto_device(block_device& lower,
                                                                const engine_profile& profile, env& e,
                                                                const engine_executor& engine);

} // namespace blkcrypto
