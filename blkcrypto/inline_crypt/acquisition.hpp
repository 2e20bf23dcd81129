// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a keyslot or a keyed tfm is asked for, and what comes of it: at once, later, or never. "Later" means
// that the waiter was left with whoever has the resource and will be posted to its env, where it asks again;
// the asker owns nothing meanwhile.

#include "blkcrypto/base/status.hpp"
#include "blkcrypto/base/waiter.hpp"
#include "blkcrypto/block/bio.hpp"
#include "blkcrypto/block/keyslot_counters.hpp"

#include <cstdint>

namespace blkcrypto {

enum class acquire_outcome : std::uint8_t { ready, parked, failed };

/// Who asks.
struct acquire_context {
    env& environment;
    waiter& parked; // left behind if the outcome is `parked`
    keyslot_counters& counters;
    bio_stamps* stamps = nullptr; // gets the time of derive and setkey

    void enter_stage(bio_stage stage) const noexcept {
        if (stamps != nullptr) [[unlikely]]
            stamps->enter(stage, environment.now_ns());
    }
};

} // namespace blkcrypto
