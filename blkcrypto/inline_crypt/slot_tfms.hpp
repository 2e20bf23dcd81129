// SPDX-License-Identifier: Apache-2.0
#pragma once
// What keyslots are made of where ciphers run in software: for every slot one tfm per mode, all allocated
// before any I/O (struct blk_crypto_fallback_keyslot). To behave like hardware, at most one tfm of a slot
// holds a key at any time. The fallback's slots are these, and so are those of the inline engine model.

#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/inline_crypt/crypto_profile.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <vector>

namespace blkcrypto {

class slot_tfms final : public crypto_ll_ops {
  public:
    /// Slots without any tfm yet. `lanes`: how many threads are expected to crypt at once. ENOMEM.
    static result<std::unique_ptr<slot_tfms>> make(unsigned num_slots, unsigned lanes);

    /// Allocates the mode's tfm in every slot, once; all or nothing. ENOPKG: the mode has no implementation
    /// (said once in the log). ENOMEM. After an error it may be tried again; other modes are not touched.
    std::error_code add_mode(env& e, crypto_mode mode);

    bool has_mode(crypto_mode mode) const noexcept {
        return added_[mode_index(mode)].load(std::memory_order_acquire);
    }

    /// False once the key of a slot is lost: evicted, or not programmed again after a reset. For who holds
    /// the slot.
    bool holds_key(keyslot_index slot) const noexcept {
        return keyed_mode_[slot.value] != crypto_mode::invalid;
    }

    /// The tfm with the slot's key. For who holds the slot.
    const skcipher& tfm(keyslot_index slot, crypto_mode mode) const noexcept {
        return *tfms_[mode_index(mode)][slot.value];
    }

    /// keyslot_program() and keyslot_evict() for whoever has the slots to itself, without a profile.
    std::error_code set_key(const key_request& key, keyslot_index slot, env& clock,
                            bio_stamps* stamps) noexcept;
    void blank(keyslot_index slot) noexcept;

    std::error_code keyslot_program(const key_request& key, keyslot_index slot,
                                    acquire_context& asker) noexcept override;
    std::error_code keyslot_evict(env& e, const key_request* key, keyslot_index slot) noexcept override;
    void keyslots_lost() noexcept override;

  private:
    using tfm_row = std::vector<std::unique_ptr<skcipher>>; // by slot

    slot_tfms(unsigned num_slots, unsigned lanes, secret&& scratch_key);
    result<tfm_row> make_row(env& e, crypto_mode mode) const;
    const unsigned lanes_;
    mutex adding_;
    std::array<std::atomic<bool>, crypto_mode_count> added_{};
    std::array<tfm_row, crypto_mode_count> tfms_;
    /// By slot: the mode whose tfm holds a key; invalid: none. Under the profile's lock.
    std::vector<crypto_mode> keyed_mode_;
    secret scratch_key_; // where a key is derived; under the profile's lock, wiped after each use
};

} // namespace blkcrypto
