// SPDX-License-Identifier: Apache-2.0
#pragma once
// The "hardware": a filter that takes bios with crypto contexts, crypts at the bottom of the stack, and has
// keyslots of its own, or takes the key with each command. It stands where a UFS or eMMC controller with an
// inline engine would; the crypting runs on an executor of its own, so that the CPU time of the engine can be
// told from the host's.
//
// Not a model of any device's timing on the machine's clock: there it is as fast as its software. Under a
// virtual clock a bio takes the time that the profile says.

#include "blkcrypto/base/env.hpp"
#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/dev/crypto_engine.hpp"

#include <memory>

namespace blkcrypto {

class inline_crypto_device : public block_device {
  public:
    /// The controller is reset, as after an error or a power-down: its keyslots lose their keys and are
    /// programmed again (blk_crypto_reprogram_all_keys()) before it crypts anything else. Bios in flight go
    /// on. The first error of programming; bios that use a key lost by it end with ioerr. Any thread.
    virtual std::error_code reset(env& e) noexcept = 0;
};

/// An engine of that profile in front of `lower`; lower device and executor outlive it. The modes it takes
/// are those of the profile that this build has an implementation of. ENOPKG: none of them. ENOMEM; EINVAL:
/// no worker, too many keyslots.
result<std::unique_ptr<inline_crypto_device>> make_inline_crypto_device(block_device& lower,
                                                                        const engine_profile& profile, env& e,
                                                                        const engine_executor& engine);

} // namespace blkcrypto
