// SPDX-License-Identifier: Apache-2.0
#pragma once
// The keyslots of a profile as they are at this moment, past the hooks: for tests that check them between the
// steps of others.

#include "blkcrypto/inline_crypt/crypto_profile.hpp"

namespace blkcrypto {

struct keyslot_snapshot {
    const key_request* key;
    std::uint32_t references;
    bool is_claimed;           // for being programmed or blanked
    bool blank_on_release;     // its key was evicted while in use
    std::uint64_t released_at; // order stamp of the last put; 0: never

    bool is_idle() const noexcept { return references == 0 && !is_claimed; }
};

struct crypto_profile_checker {
    static keyslot_snapshot look_at(const crypto_profile& profile, std::uint32_t number) noexcept {
        const auto& slot = profile.slots_[number];
        const std::uint64_t usage = slot.word.peek() & crypto_profile::usage_mask;
        return {slot.key.peek(), static_cast<std::uint32_t>(usage & ~crypto_profile::claimed),
                (usage & crypto_profile::claimed) != 0, slot.blank_on_release.peek(),
                slot.released_at.peek()};
    }

    /// Calls visit(number) for every number, but for who waits, that decides what the profile does next,
    /// always in the same order.
    template <typename Visitor>
    static void visit_state(const crypto_profile& profile, Visitor&& visit) {
        for (const auto& slot : profile.slots_) {
            visit(slot.word.peek());
            visit(reinterpret_cast<std::uintptr_t>(slot.key.peek()));
            visit(slot.released_at.peek());
            visit(slot.next.peek());
            visit(slot.blank_on_release.peek());
        }
        for (const auto& head : profile.buckets_)
            visit(head.peek());
    }
};

} // namespace blkcrypto
