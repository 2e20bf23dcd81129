// SPDX-License-Identifier: Apache-2.0
#pragma once
// A source of tfms with real keyslots and a cipher that does nothing: what is left of the fallback's cost
// with it is everything but the cipher. Slots are programmed by nothing, too.

#include "blkcrypto/inline_crypt/crypto_profile.hpp"
#include "blkcrypto/inline_crypt/tfm_source.hpp"

namespace blkcrypto::bench {

class idle_cipher final : public skcipher {
  public:
    std::error_code setkey(bytes_view) noexcept override { return {}; }
    void forget() noexcept override {}

  private:
    void crypt_units(cipher_direction, const unit_run&, cipher_lane&) const noexcept override {}
};

class idle_slots final : public crypto_ll_ops {
  public:
    std::error_code keyslot_program(const key_request&, keyslot_index, acquire_context&) noexcept override {
        return {};
    }
    std::error_code keyslot_evict(env&, const key_request*, keyslot_index) noexcept override { return {}; }
};

class idle_tfms final : public tfm_source {
  public:
    idle_tfms(env& e, unsigned num_slots)
        : profile_(*crypto_profile::make(e, every_unit_size(), num_slots, slots_)) {}

    static crypto_capabilities every_unit_size() {
        crypto_capabilities can;
        can.unit_sizes[mode_index(crypto_mode::aes_256_xts)] = all_unit_sizes;
        can.dun_bytes_max = iv_size_max_bytes;
        return can;
    }

    const crypto_capabilities& capabilities() const noexcept override { return profile_->capabilities(); }
    std::error_code start_using(env&, const crypto_config&) override { return {}; }
    bool is_started(const crypto_config&) const noexcept override { return true; }

    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        const keyslot_grant grant = profile_->get_keyslot(key, asker);
        if (grant.outcome != acquire_outcome::ready)
            return {grant.outcome, {}, grant.status};
        return {acquire_outcome::ready, {&cipher_, grant.slot.value}};
    }
    void release(env& e, const tfm_lease& lease) noexcept override {
        profile_->put_keyslot(e, {static_cast<std::uint32_t>(lease.cookie)});
    }
    std::error_code evict(env& e, const key_request& key) noexcept override {
        return profile_->evict_key(e, key);
    }

  private:
    idle_cipher cipher_;
    idle_slots slots_;
    std::unique_ptr<crypto_profile> profile_;
};

} // namespace blkcrypto::bench
