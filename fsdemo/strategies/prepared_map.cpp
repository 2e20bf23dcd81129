// SPDX-License-Identifier: Apache-2.0
// prepared-map: a pool of transforms for each mode, and a map from an extent to the one that has its key. The
// filesystem's infos are found by (master key, nonce, mode); they remember which transform they had.
#include "fsdemo/strategies/software_strategy.hpp"
#include "fsdemo/strategies/transform_pool.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

class prepared_map final : public software_strategy {
  public:
    explicit prepared_map(const strategy_options& options)
        : software_strategy(options), size_(options.pool_size), api_(memory()) {}

    strategy_traits traits() const noexcept override { return {.modules = module_use::at_open}; }

    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_once(e, config, [&]() -> std::error_code {
            auto made =
                transform_pool::make(e, api_, memory(), config.mode, size_, transform_pool::reuse::found);
            if (made)
                pools_[mode_index(config.mode)] = std::move(*made);
            return made ? std::error_code{} : made.error();
        });
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

  private:
    const unsigned size_;
    crypto_api api_;
    std::array<std::unique_ptr<transform_pool>, crypto_mode_count> pools_; // of modes that were started
};

} // namespace

result<std::unique_ptr<key_strategy>> make_prepared_map(env&, const strategy_options& options) {
    if (!is_pool_size(options.pool_size))
        return make_error(EINVAL);
    return or_no_memory(
        [&]() -> result<std::unique_ptr<key_strategy>> { return std::make_unique<prepared_map>(options); });
}

} // namespace blkcrypto::fsdemo
