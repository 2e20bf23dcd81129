// SPDX-License-Identifier: Apache-2.0
// fallback-keyslots: what blk-crypto-fallback does by itself. A mode's transforms exist from start_using()
// on, one in each keyslot, and the keyslots are the cache of those that are keyed.
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "fsdemo/strategies/key_setup.hpp"
#include "fsdemo/strategies/strategy_table.hpp"
#include "fsdemo/strategies/transform_memory.hpp"

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class starting_lock{"fallback_keyslots.starting"};

class fallback_keyslots final : public key_strategy {
  public:
    fallback_keyslots(std::unique_ptr<tfm_source> slots, const strategy_options& options)
        : slots_(std::move(slots)), num_slots_(options.keyslots), lock_(starting_lock),
          memory_(options.memory_limit_bytes, options.lanes) {}

    strategy_traits traits() const noexcept override { return {.modules = module_use::at_open}; }
    const crypto_capabilities& capabilities() const noexcept override { return slots_->capabilities(); }
    bool is_started(const crypto_config& config) const noexcept override {
        return slots_->is_started(config);
    }

    std::error_code start_using(env& e, const crypto_config& config) override {
        if (is_started(config))
            return {};
        const env_lock lock(e, lock_);
        if (is_started(config))
            return {};
        const std::uint64_t bytes = num_slots_ * memory_.bytes_of(config.mode);
        if (const std::error_code error = memory_.charge(num_slots_, bytes))
            return error;
        const std::error_code error = slots_->start_using(e, config);
        if (error)
            memory_.give_back(num_slots_, bytes);
        return error;
    }

    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        return slots_->acquire(key, asker);
    }
    void release(env& e, const tfm_lease& lease) noexcept override { slots_->release(e, lease); }
    std::error_code evict(env& e, const key_request& key) noexcept override { return slots_->evict(e, key); }

    strategy_figures figures(env&) const noexcept override {
        strategy_figures known = memory_.figures();
        known.pinned_bytes = known.transform_bytes;
        return known;
    }

  private:
    const std::unique_ptr<tfm_source> slots_;
    const unsigned num_slots_;
    mutex lock_;
    transform_memory memory_;
};

} // namespace

result<std::unique_ptr<key_strategy>> make_fallback_keyslots(env& e, const strategy_options& options) {
    auto slots = make_keyslot_tfms(e, options.keyslots, options.lanes);
    if (!slots)
        return slots.error();
    return or_no_memory([&]() -> result<std::unique_ptr<key_strategy>> {
        return std::make_unique<fallback_keyslots>(std::move(*slots), options);
    });
}

} // namespace blkcrypto::fsdemo
