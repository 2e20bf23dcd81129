// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one queue has seen of the keyslots it uses. Counted by the asker, so that threads share no counter.

#include <cstdint>

namespace blkcrypto {

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

} // namespace blkcrypto
