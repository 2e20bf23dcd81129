// SPDX-License-Identifier: Apache-2.0
#pragma once
// The two steps that all strategies share: derive the extent's key, give it to a transform.

#include "fsdemo/key_strategy.hpp"

#include <array>
#include <atomic>

namespace blkcrypto::fsdemo {

/// Allocates nothing; leaves the key nowhere but in the transform. After an error the transform has no key.
/// EINVAL: a key that the mode refuses. On the thread of the extent's filesystem. `stamps` may be null.
std::error_code set_key(skcipher& transform, const extent_crypt_info& extent, env& e,
                        bio_stamps* stamps = nullptr) noexcept;

/// All modes, in any units: what software can do. Whether a mode has an implementation shows when it is
/// started.
crypto_capabilities software_capabilities() noexcept;

/// Which modes have been started. All threads'.
class started_modes {
  public:
    bool contains(crypto_mode mode) const noexcept {
        return started_[mode_index(mode)].load(std::memory_order_acquire);
    }
    void add(crypto_mode mode) noexcept { started_[mode_index(mode)].store(true, std::memory_order_release); }

  private:
    std::array<std::atomic<bool>, crypto_mode_count> started_{};
};

} // namespace blkcrypto::fsdemo
