// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/single_key.hpp"

#include "fsdemo/strategies/software_strategy.hpp"

namespace blkcrypto::bench {
namespace {

using namespace fsdemo;

class single_key final : public software_strategy {
  public:
    explicit single_key(unsigned lanes) : software_strategy({.lanes = lanes}) {}

    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_once(e, config, [&]() -> std::error_code {
            auto transform = memory().allocate(e, config.mode);
            if (!transform)
                return transform.error();
            if (const std::error_code error = set_any_key(e, **transform, config.mode)) {
                memory().free(std::move(*transform), config.mode);
                return error;
            }
            transforms_[mode_index(config.mode)] = std::move(*transform);
            return {};
        });
    }

    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        ++asker.counters.hits;
        return {acquire_outcome::ready, {transforms_[mode_index(key.config().mode)].get(), 0}};
    }
    void release(env&, const tfm_lease&) noexcept override {}
    std::error_code evict(env&, const key_request&) noexcept override { return {}; }

  private:
    static std::error_code set_any_key(env& e, skcipher& transform, crypto_mode mode) {
        auto key = secret::make(find_mode(mode)->key_size_bytes);
        if (!key)
            return key.error();
        e.fill_random(key->writable());
        const std::error_code error = transform.setkey(key->bytes());
        wipe_vector_registers();
        return error;
    }

    std::array<std::unique_ptr<skcipher>, crypto_mode_count> transforms_; // once started
};

result<std::unique_ptr<key_strategy>> make_single_key(env&, const strategy_options& options) {
    return or_no_memory([&]() -> result<std::unique_ptr<key_strategy>> {
        return std::make_unique<single_key>(options.lanes);
    });
}

constexpr strategy_info info{.name = "single-key",
                             .at_open = "a transform for the mode, keyed once",
                             .in_io = "nothing",
                             .make = &make_single_key};

} // namespace

const strategy_info& single_key_strategy() noexcept {
    return info;
}

} // namespace blkcrypto::bench
