// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/crypto_profile.hpp"

#include "blkcrypto/base/log.hpp"

#include <bit>
#include <cerrno>

namespace blkcrypto {
namespace {

constexpr lock_class profile_waiting{"crypto_profile.waiting"};
constexpr resource_class profile_keyslots{"crypto_profile.keyslots"};
constexpr allocation_class profile_slots{"crypto_profile.slots"};

} // namespace

crypto_profile::crypto_profile(const crypto_capabilities& capabilities, unsigned num_slots,
                               crypto_ll_ops& ops, const lock_class& kind)
    : capabilities_(capabilities), ops_(ops), lock_(kind), waiting_(profile_waiting), slots_(num_slots),
      buckets_(std::bit_ceil(2 * std::max(num_slots, 1U))) {
    for (auto& head : buckets_)
        head.set(no_slot);
}

result<std::unique_ptr<crypto_profile>> crypto_profile::make(env& e, const crypto_capabilities& capabilities,
                                                             unsigned num_slots, crypto_ll_ops& ops,
                                                             const lock_class& kind) {
    if (num_slots > slots_max)
        return make_error(EINVAL);
    if (!e.allow_allocation(profile_slots, num_slots * sizeof(keyslot)))
        return make_error(ENOMEM);
    return or_no_memory([&]() -> result<std::unique_ptr<crypto_profile>> {
        return std::unique_ptr<crypto_profile>(new crypto_profile(capabilities, num_slots, ops, kind));
    });
}

// --- lookup ---

std::size_t crypto_profile::bucket_of(const key_request& key) const noexcept {
    constexpr std::uint64_t golden_ratio_64 = 0x61c8864680b583eb;
    const auto address = reinterpret_cast<std::uintptr_t>(&key);
    return (address * golden_ratio_64) >> (64 - std::countr_zero(buckets_.size()));
}

// Without the lock a chain may change underfoot and lead into another one: the walk is bounded, a key that is
// missed is looked up again under the lock, and one that is found is checked again by try_get().
crypto_profile::slot_number crypto_profile::find(env& e, const key_request& key) const noexcept {
    slot_number number = buckets_[bucket_of(key)].load(e, std::memory_order_acquire);
    for (std::size_t steps = 0; number != no_slot && steps < slots_.size(); ++steps) {
        if (slots_[number].key.load(e, std::memory_order_acquire) == &key)
            return number;
        number = slots_[number].next.load(e, std::memory_order_acquire);
    }
    return no_slot;
}

// The word is read before the key: if the exchange succeeds, nobody claimed the slot in between and the key
// read is the key in the slot.
bool crypto_profile::try_get(env& e, keyslot& slot, const key_request& key) noexcept {
    std::uint64_t word = slot.word.load(e);
    while ((word & claimed) == 0 && slot.key.load(e) == &key)
        if (slot.word.compare_exchange_weak(e, word, word + 1))
            return true;
    return false;
}

crypto_profile::slot_number crypto_profile::find_and_get(env& e, const key_request& key) noexcept {
    const slot_number number = find(e, key);
    return number != no_slot && try_get(e, slots_[number], key) ? number : no_slot;
}

// --- get and put ---

keyslot_grant crypto_profile::get_keyslot(const key_request& key, acquire_context& asker) noexcept {
    if (slots_.empty())
        return {acquire_outcome::ready};
    env& e = asker.environment;
    e.reached(hook_point::keyslot_try_get, profile_keyslots);
    const slot_number number = find_and_get(e, key);
    if (number == no_slot)
        return get_slowly(key, asker);
    ++asker.counters.hits;
    pass_on_wake(e);
    return {acquire_outcome::ready, {number}};
}

keyslot_grant crypto_profile::get_slowly(const key_request& key, acquire_context& asker) noexcept {
    env& e = asker.environment;
    keyslot_grant grant{acquire_outcome::parked};
    {
        const env_lock lock(e, lock_);
        const slot_number programmed_meanwhile = find_and_get(e, key);
        if (programmed_meanwhile != no_slot) {
            ++asker.counters.hits;
            grant = {acquire_outcome::ready, {programmed_meanwhile}};
        } else if (const slot_number victim = claim_oldest_idle(e); victim != no_slot) {
            grant = program(victim, key, asker);
        } else {
            ++asker.counters.waits;
            waiting_.add(asker.parked);
        }
    }
    // Also when this one has parked: a slot may have been put before the waiter was in the list.
    pass_on_wake(e);
    return grant;
}

keyslot_grant crypto_profile::program(slot_number number, const key_request& key,
                                      acquire_context& asker) noexcept {
    env& e = asker.environment;
    keyslot& slot = slots_[number];
    ++asker.counters.misses;
    if (slot.key.load(e) != nullptr) {
        ++asker.counters.evictions;
        unlink(e, number);
    }
    slot.blank_on_release.store(e, false);
    const std::error_code error = ops_.keyslot_program(key, {number}, asker);
    if (!error)
        link(e, number, key);
    const std::uint64_t unclaimed = slot.word.load(e) & ~usage_mask;
    slot.word.store(e, unclaimed + (error ? 0 : 1));
    if (error)
        return {acquire_outcome::failed, no_keyslot, to_blk_status(error)};
    return {acquire_outcome::ready, {number}};
}

// Someone who was woken for an idle slot and did not need it, or who parked just when one came free, owes the
// wake to the next.
void crypto_profile::pass_on_wake(env& e) noexcept {
    waiting_.pass_on_wake(e, [&] { return any_idle(e); });
}

void crypto_profile::put_keyslot(env& e, keyslot_index slot) noexcept {
    if (slots_.empty())
        return;
    e.reached(hook_point::keyslot_put, profile_keyslots);
    keyslot& released = slots_[slot.value];
    stamp_release(e, released);
    const std::uint64_t before = released.word.fetch_sub(e, 1);
    if ((before & usage_mask) != 1)
        return;
    if (released.blank_on_release.load(e)) [[unlikely]]
        blank_released(e, static_cast<slot_number>(slot.value));
    waiting_.wake_one(e);
}

// The latest of the puts counts, though the first of them may write its stamp last.
void crypto_profile::stamp_release(env& e, keyslot& slot) noexcept {
    const std::uint64_t stamp = e.order_stamp();
    std::uint64_t known = slot.released_at.load(e, std::memory_order_relaxed);
    while (known < stamp && !slot.released_at.compare_exchange_weak(e, known, stamp)) {
    }
}

void crypto_profile::blank_released(env& e, slot_number number) noexcept {
    keyslot& slot = slots_[number];
    const env_lock lock(e, lock_);
    // Unless it was reprogrammed meanwhile, or got in use again.
    if (slot.blank_on_release.load(e) && try_claim(e, slot)) {
        slot.blank_on_release.store(e, false);
        (void)ops_.keyslot_evict(e, nullptr, {number});
        slot.word.fetch_sub(e, claimed);
    }
}

// --- which slot ---

bool crypto_profile::any_idle(env& e) const noexcept {
    for (const auto& slot : slots_)
        if ((slot.word.load(e) & usage_mask) == 0)
            return true;
    return false;
}

bool crypto_profile::try_claim(env& e, keyslot& slot) noexcept {
    std::uint64_t word = slot.word.load(e);
    return (word & usage_mask) == 0 &&
           slot.word.compare_exchange_strong(e, word, word + one_generation + claimed);
}

crypto_profile::slot_number crypto_profile::oldest_idle(env& e, std::uint64_t& released_at) const noexcept {
    slot_number oldest = no_slot;
    for (slot_number i = 0; i < slots_.size(); ++i) {
        const std::uint64_t released = slots_[i].released_at.load(e, std::memory_order_relaxed);
        if ((slots_[i].word.load(e) & usage_mask) == 0 && (oldest == no_slot || released < released_at)) {
            oldest = i;
            released_at = released;
        }
    }
    return oldest;
}

// A slot may be used and released again between the looks at its stamp, at its word, and the claim: then it
// is not the oldest any more. Nobody changes the stamp of a slot that is claimed.
crypto_profile::slot_number crypto_profile::claim_oldest_idle(env& e) noexcept {
    for (;;) {
        e.reached(hook_point::keyslot_scan, profile_keyslots);
        std::uint64_t released_at = 0;
        const slot_number oldest = oldest_idle(e, released_at);
        if (oldest == no_slot)
            return no_slot;
        if (!try_claim(e, slots_[oldest]))
            continue;
        if (slots_[oldest].released_at.load(e, std::memory_order_relaxed) == released_at)
            return oldest;
        slots_[oldest].word.fetch_sub(e, claimed);
    }
}

void crypto_profile::link(env& e, slot_number number, const key_request& key) noexcept {
    auto& head = buckets_[bucket_of(key)];
    slots_[number].key.store(e, &key);
    slots_[number].next.store(e, head.load(e));
    head.store(e, number);
}

void crypto_profile::unlink(env& e, slot_number number) noexcept {
    keyslot& slot = slots_[number];
    hooked_atomic<slot_number>* place = &buckets_[bucket_of(*slot.key.load(e))];
    while (place->load(e) != number)
        place = &slots_[place->load(e)].next;
    place->store(e, slot.next.load(e));
    slot.key.store(e, nullptr);
}

// --- eviction ---

std::error_code crypto_profile::evict_key(env& e, const key_request& key) noexcept {
    std::error_code error;
    {
        const env_lock lock(e, lock_);
        error = evict(e, key);
    }
    // Whoever parked while an idle slot was claimed for blanking could not see that it was idle.
    pass_on_wake(e);
    return error;
}

std::error_code crypto_profile::evict(env& e, const key_request& key) noexcept {
    if (slots_.empty())
        return ops_.keyslot_evict(e, &key, no_keyslot);
    const slot_number number = find(e, key);
    if (number == no_slot)
        return {};
    keyslot& slot = slots_[number];
    unlink(e, number);
    if (try_claim(e, slot)) {
        const std::error_code error = ops_.keyslot_evict(e, &key, {number});
        slot.word.fetch_sub(e, claimed);
        return error;
    }
    static warn_once warned;
    warned("a key was evicted while it was in use");
    slot.blank_on_release.store(e, true);
    // Its user may have let go before it could see the mark.
    if (try_claim(e, slot)) {
        slot.blank_on_release.store(e, false);
        (void)ops_.keyslot_evict(e, &key, {number});
        slot.word.fetch_sub(e, claimed);
    }
    return make_error(EBUSY);
}

std::error_code crypto_profile::reprogram_all_keys(acquire_context& asker) noexcept {
    if (slots_.empty())
        return {};
    std::error_code first_error;
    {
        const env_lock lock(asker.environment, lock_);
        ops_.keyslots_lost();
        for (slot_number i = 0; i < slots_.size(); ++i) {
            const std::error_code error = reprogram(i, asker);
            if (!first_error)
                first_error = error;
        }
    }
    pass_on_wake(asker.environment);
    return first_error;
}

std::error_code crypto_profile::reprogram(slot_number number, acquire_context& asker) noexcept {
    env& e = asker.environment;
    const key_request* key = slots_[number].key.load(e);
    if (key == nullptr)
        return {};
    const bool was_idle = try_claim(e, slots_[number]);
    const std::error_code error = ops_.keyslot_program(*key, {number}, asker);
    if (error)
        unlink(e, number);
    if (was_idle)
        slots_[number].word.fetch_sub(e, claimed);
    return error;
}

} // namespace blkcrypto
