// SPDX-License-Identifier: Apache-2.0
// fallback-keyslots: what blk-crypto-fallback does by itself. A mode's transforms exist from start_using()
// on, one in each keyslot, and the keyslots are the cache of those that are keyed.
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "fsdemo/strategies/software_strategy.hpp"

namespace blkcrypto::fsdemo {
namespace {

class fallback_keyslots final : public software_strategy {
  public:
    fallback_keyslots(std::unique_ptr<tfm_source> slots, const strategy_options& options)
        : software_strategy(options), slots_(std::move(slots)), num_slots_(options.keyslots) {}

    strategy_traits traits() const noexcept override { return {.modules = module_use::at_open}; }

    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_once(e, config, [&]() -> std::error_code {
            const std::uint64_t bytes = num_slots_ * memory().bytes_of(config.mode);
            if (const std::error_code error = memory().charge(num_slots_, bytes))
                return error;
            const std::error_code error = slots_->start_using(e, config);
            if (error)
                memory().give_back(num_slots_, bytes);
            return error;
        });
    }

    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        return slots_->acquire(key, asker);
    }
    void release(env& e, const tfm_lease& lease) noexcept override { slots_->release(e, lease); }
    std::error_code evict(env& e, const key_request& key) noexcept override { return slots_->evict(e, key); }

  private:
    const std::unique_ptr<tfm_source> slots_;
    const unsigned num_slots_;
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
