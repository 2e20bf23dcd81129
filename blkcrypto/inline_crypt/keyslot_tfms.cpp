// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"

#include <cerrno>

namespace blkcrypto {
namespace {

// Modes are all declared, as in the kernel: whether one has an implementation shows when it is started.
crypto_capabilities fallback_capabilities(const kernel_generation& kernel) {
    crypto_capabilities all;
    all.dun_bytes_max = iv_size_max_bytes;
    for (const auto& mode : crypto_modes())
        all.unit_sizes[mode_index(mode.mode)] = all_unit_sizes;
    if (!kernel.has_sm4)
        all.unit_sizes[mode_index(crypto_mode::sm4_xts)] = 0;
    return all;
}

class keyslot_tfms final : public tfm_source {
  public:
    keyslot_tfms(std::unique_ptr<slot_tfms> slots, std::unique_ptr<crypto_profile> profile) noexcept
        : slots_(std::move(slots)), profile_(std::move(profile)) {}

    const crypto_capabilities& capabilities() const noexcept override { return profile_->capabilities(); }

    std::error_code start_using(env& e, const crypto_config& config) override {
        return slots_->add_mode(e, config.mode);
    }

    bool is_started(const crypto_config& config) const noexcept override {
        return slots_->has_mode(config.mode);
    }

    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        const keyslot_grant grant = profile_->get_keyslot(key, asker);
        if (grant.outcome != acquire_outcome::ready)
            return {grant.outcome, {}, grant.status};
        return {acquire_outcome::ready, {&slots_->tfm(grant.slot, key.config().mode), grant.slot.value}};
    }

    void release(env& e, const tfm_lease& lease) noexcept override {
        profile_->put_keyslot(e, {static_cast<std::uint32_t>(lease.cookie)});
    }

    std::error_code evict(env& e, const key_request& key) noexcept override {
        return slots_->has_mode(key.config().mode) ? profile_->evict_key(e, key) : std::error_code{};
    }

  private:
    std::unique_ptr<slot_tfms> slots_;
    std::unique_ptr<crypto_profile> profile_;
};

} // namespace

result<std::unique_ptr<tfm_source>> make_keyslot_tfms(env& e, unsigned num_slots, unsigned lanes,
                                                      const kernel_generation& kernel) {
    if (num_slots == 0)
        return make_error(EINVAL);
    auto slots = slot_tfms::make(num_slots, lanes);
    if (slots.has_error())
        return slots.error();
    auto profile = crypto_profile::make(e, fallback_capabilities(kernel), num_slots, **slots);
    if (profile.has_error())
        return profile.error();
    return or_no_memory([&]() -> result<std::unique_ptr<tfm_source>> {
        return std::make_unique<keyslot_tfms>(std::move(*slots), std::move(*profile));
    });
}

} // namespace blkcrypto
