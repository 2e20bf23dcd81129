// SPDX-License-Identifier: Apache-2.0
// prepared-map: a pool of transforms for each mode, and a map from an extent to the one that has its key. The
// filesystem's infos are found by (master key, nonce, mode); they remember which transform they had.
#include "fsdemo/strategies/key_setup.hpp"
#include "fsdemo/strategies/strategy_table.hpp"
#include "fsdemo/strategies/transform_pool.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class starting_lock{"prepared_map.starting"};

class prepared_map final : public key_strategy {
  public:
    explicit prepared_map(const strategy_options& options)
        : size_(options.pool_size), capabilities_(software_capabilities()),
          memory_(options.memory_limit_bytes, options.lanes), api_(memory_), lock_(starting_lock) {}

    strategy_traits traits() const noexcept override { return {.modules = module_use::at_open}; }
    const crypto_capabilities& capabilities() const noexcept override { return capabilities_; }
    bool is_started(const crypto_config& config) const noexcept override {
        return started_.contains(config.mode);
    }

    std::error_code start_using(env& e, const crypto_config& config) override {
        if (is_started(config))
            return {};
        const env_lock lock(e, lock_);
        if (is_started(config))
            return {};
        auto made = transform_pool::make(e, api_, memory_, config.mode, size_, transform_pool::reuse::found);
        if (!made)
            return made.error();
        pools_[mode_index(config.mode)] = std::move(*made);
        started_.add(config.mode);
        return {};
    }

    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        const extent_crypt_info& extent = extent_of(key);
        return pools_[mode_index(extent.config().mode)]->acquire(extent, asker);
    }
    void release(env& e, const tfm_lease& lease) noexcept override { transform_pool::release(e, lease); }
    std::error_code evict(env& e, const key_request& key) noexcept override {
        const extent_crypt_info& extent = extent_of(key);
        return pools_[mode_index(extent.config().mode)]->evict(e, extent);
    }

    strategy_figures figures(env&) const noexcept override {
        strategy_figures known = memory_.figures();
        known.pinned_bytes = known.transform_bytes;
        return known;
    }

  private:
    const unsigned size_;
    const crypto_capabilities capabilities_;
    transform_memory memory_;
    crypto_api api_;
    started_modes started_;
    mutex lock_;
    std::array<std::unique_ptr<transform_pool>, crypto_mode_count> pools_; // of modes that were started
};

} // namespace

result<std::unique_ptr<key_strategy>> make_prepared_map(env&, const strategy_options& options) {
    if (options.pool_size == 0 || options.pool_size > pool_size_max)
        return make_error(EINVAL);
    return or_no_memory(
        [&]() -> result<std::unique_ptr<key_strategy>> { return std::make_unique<prepared_map>(options); });
}

} // namespace blkcrypto::fsdemo
