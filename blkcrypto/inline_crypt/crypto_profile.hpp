// SPDX-License-Identifier: Apache-2.0
#pragma once
// A set of keyslots: which key is in which slot, who uses it, which one goes when another key needs the place
// (struct blk_crypto_profile, block/blk-crypto-profile.c). The fallback has one, each inline engine has one.
// What a slot is made of, the owner knows: it programs and evicts through crypto_ll_ops.
//
// Keys are looked up by address. A hit takes no lock: it is a reference taken on the slot's own word, valid
// only if the slot was not reprogrammed meanwhile. A miss takes the lock and the idle slot that was released
// longest ago. When all slots are in use the asker parks.

#include "blkcrypto/base/result.hpp"
#include "blkcrypto/block/crypto_capabilities.hpp"
#include "blkcrypto/inline_crypt/acquisition.hpp"

#include <memory>
#include <vector>

namespace blkcrypto {

/// Stands for the slot of an engine without slots.
inline constexpr keyslot_index no_keyslot{0xffffffff};

/// What the owner of the slots does (struct blk_crypto_ll_ops). Called under the profile's lock.
class crypto_ll_ops {
  public:
    /// Puts the key into the slot, over whatever is there. After an error the slot holds no key.
    virtual std::error_code keyslot_program(const key_request& key, keyslot_index slot,
                                            acquire_context& asker) noexcept = 0;

    /// Makes the slot forget its key. `key` is null if its owner may have freed it; the slot is no_keyslot
    /// for an engine without slots. `e` is the caller's.
    virtual std::error_code keyslot_evict(env& e, const key_request* key, keyslot_index slot) noexcept = 0;

    /// A key is about to be used on the device: for an owner that stands on others, who may have to prepare.
    virtual std::error_code start_using_key(env&, const key_request&) { return {}; }

    /// The engine was reset: no slot holds a key any more, whatever was programmed. What should be there is
    /// programmed next. For owners whose slots do not lose their keys by themselves.
    virtual void keyslots_lost() noexcept {}

  protected:
    ~crypto_ll_ops() = default;
};

/// Result of get_keyslot().
struct keyslot_grant {
    acquire_outcome outcome;
    keyslot_index slot = no_keyslot;    // if ready
    blk_status status = blk_status::ok; // if failed
};

class crypto_profile {
  public:
    static constexpr unsigned slots_max = 1024;

    static constexpr lock_class lock_class_of_keyslots{"crypto_profile"};

    /// EINVAL above slots_max; ENOMEM. `ops` outlives the profile. A profile whose ops take the locks of
    /// other profiles has a lock class of its own.
    static result<std::unique_ptr<crypto_profile>> make(env& e, const crypto_capabilities& capabilities,
                                                        unsigned num_slots, crypto_ll_ops& ops,
                                                        const lock_class& kind = lock_class_of_keyslots);

    const crypto_capabilities& capabilities() const noexcept { return capabilities_; }
    unsigned num_slots() const noexcept { return static_cast<unsigned>(slots_.size()); }

    /// From blk_crypto_start_using_key() on a device that encrypts natively; what the op says.
    std::error_code start_using_key(env& e, const key_request& key) { return ops_.start_using_key(e, key); }

    /// blk_crypto_get_keyslot(). Ready: the key is in the slot and stays until put_keyslot(). Failed:
    /// programming did; the key that was in the slot is forgotten too (the kernel leaves a stale entry
    /// there). Any thread.
    keyslot_grant get_keyslot(const key_request& key, acquire_context& asker) noexcept;

    /// blk_crypto_put_keyslot(). Any thread; `e` is the caller's.
    void put_keyslot(env& e, keyslot_index slot) noexcept;

    /// __blk_crypto_evict_key(): after it no slot knows the key, whatever it returns, and its owner may free
    /// it. EBUSY: the key was in use; the last put of its slot will blank it. Otherwise what the evict op
    /// says.
    std::error_code evict_key(env& e, const key_request& key) noexcept;

    /// blk_crypto_reprogram_all_keys(): the engine was reset and does not crypt until this returns: slots in
    /// use are programmed in place. The first error; a key that could not be programmed is forgotten.
    std::error_code reprogram_all_keys(acquire_context& asker) noexcept;

    /// For an asker that was woken and then could not, or need not, use the slot: the wake goes to the next.
    void pass_on_wake(env& e) noexcept;

  private:
    friend struct crypto_profile_checker; // of the tests: looks at the slots as they are

    using slot_number = std::uint16_t;
    static constexpr slot_number no_slot = 0xffff;
    static_assert(slots_max < no_slot);

    // The word of a slot: references in the low half, one bit of it for a claim by whoever reprograms the
    // slot, and a generation in the high half that each claim changes.
    static constexpr std::uint64_t claimed = 1ULL << 31;
    static constexpr std::uint64_t one_generation = 1ULL << 32;
    static constexpr std::uint64_t usage_mask = one_generation - 1; // references and claim

    struct alignas(64) keyslot {
        hooked_atomic<std::uint64_t> word{0};
        hooked_atomic<const key_request*> key{nullptr};
        hooked_atomic<std::uint64_t> released_at{0}; // the greatest order stamp of its puts
        hooked_atomic<slot_number> next{no_slot};    // in the chain of the hash table
        hooked_atomic<bool> blank_on_release{false}; // its key was evicted while in use
    };

    crypto_profile(const crypto_capabilities& capabilities, unsigned num_slots, crypto_ll_ops& ops,
                   const lock_class& kind);

    std::size_t bucket_of(const key_request& key) const noexcept;
    slot_number find(env& e, const key_request& key) const noexcept;
    bool try_get(env& e, keyslot& slot, const key_request& key) noexcept;
    slot_number find_and_get(env& e, const key_request& key) noexcept;
    keyslot_grant get_slowly(const key_request& key, acquire_context& asker) noexcept
        BLKCRYPTO_EXCLUDES(lock_);
    keyslot_grant program(slot_number number, const key_request& key, acquire_context& asker) noexcept
        BLKCRYPTO_REQUIRES(lock_);
    slot_number oldest_idle(env& e, std::uint64_t& released_at) const noexcept BLKCRYPTO_REQUIRES(lock_);
    slot_number claim_oldest_idle(env& e) noexcept BLKCRYPTO_REQUIRES(lock_);
    bool try_claim(env& e, keyslot& slot) noexcept BLKCRYPTO_REQUIRES(lock_);
    void link(env& e, slot_number number, const key_request& key) noexcept BLKCRYPTO_REQUIRES(lock_);
    void unlink(env& e, slot_number number) noexcept BLKCRYPTO_REQUIRES(lock_);
    std::error_code evict(env& e, const key_request& key) noexcept BLKCRYPTO_REQUIRES(lock_);
    std::error_code reprogram(slot_number number, acquire_context& asker) noexcept BLKCRYPTO_REQUIRES(lock_);
    static void stamp_release(env& e, keyslot& slot) noexcept;
    void blank_released(env& e, slot_number number) noexcept BLKCRYPTO_EXCLUDES(lock_);
    bool any_idle(env& e) const noexcept;

    const crypto_capabilities capabilities_;
    crypto_ll_ops& ops_;
    mutex lock_; // of programming, eviction, and changes of which key is in which slot
    wait_list waiting_;
    std::vector<keyslot> slots_;
    std::vector<hooked_atomic<slot_number>> buckets_; // heads of chains, hashed by the key's address
};

} // namespace blkcrypto
