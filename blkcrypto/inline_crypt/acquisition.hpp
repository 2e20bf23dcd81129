// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a keyslot or a keyed tfm is asked for, and what comes of it: at once, later, or never. "Later" means
// that the waiter was left with whoever has the resource and will be posted to its env, where it asks again;
// the asker owns nothing meanwhile.

#include "blkcrypto/base/status.hpp"
#include "blkcrypto/base/waiter.hpp"
#include "blkcrypto/block/bio.hpp"

#include <cstdint>

namespace blkcrypto {

enum class acquire_outcome : std::uint8_t { ready, parked, failed };

/// Counted by the asker, so that threads share no counter.
struct keyslot_counters {
    std::uint64_t hits = 0;      // the key was in a slot
    std::uint64_t misses = 0;    // it had to be programmed
    std::uint64_t evictions = 0; // and took the place of another key
    std::uint64_t waits = 0;     // times that all slots were in use

    keyslot_counters& operator+=(const keyslot_counters& other) noexcept {
        hits += other.hits;
        misses += other.misses;
        evictions += other.evictions;
        waits += other.waits;
        return *this;
    }
};

/// Who asks.
struct acquire_context {
    env& environment;
    waiter& parked; // left behind if the outcome is `parked`
    keyslot_counters& counters;
    bio_stamps* stamps = nullptr; // gets the time of derive and setkey
};

} // namespace blkcrypto
