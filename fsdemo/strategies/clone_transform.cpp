// SPDX-License-Identifier: Apache-2.0
// clone-transform: a base transform for each mode, made at open; an extent's is a clone of it. Cloning
// allocates, in the I/O path's own context, but looks nothing up, takes no lock and loads no module.
#include "fsdemo/strategies/crypto_api.hpp"
#include "fsdemo/strategies/extent_transforms.hpp"
#include "fsdemo/strategies/strategy_table.hpp"

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class bases_lock{"clone_transform.bases"};

class clone_transform final : public extent_transforms {
  public:
    explicit clone_transform(const strategy_options& options)
        : extent_transforms(options.memory_limit_bytes, options.lanes), api_(memory()), lock_(bases_lock) {}
    ~clone_transform() override {
        for (const auto& mode : crypto_modes())
            if (bases_[mode_index(mode.mode)])
                memory().free(std::move(bases_[mode_index(mode.mode)]), mode.mode);
    }

    strategy_traits traits() const noexcept override { return {.modules = module_use::at_open}; }

    std::error_code start_using(env& e, const crypto_config& config) override {
        if (is_started(config))
            return {};
        const env_lock lock(e, lock_);
        auto& base = bases_[mode_index(config.mode)];
        if (base)
            return {};
        auto made = or_no_memory([&] { return api_.allocate(e, config.mode); });
        if (!made)
            return made.error();
        base = std::move(*made);
        set_started(config);
        return {};
    }

    strategy_figures figures(env& e) const noexcept override {
        strategy_figures known = extent_transforms::figures(e);
        const env_lock lock(e, lock_);
        for (const auto& mode : crypto_modes())
            if (bases_[mode_index(mode.mode)])
                known.pinned_bytes += memory().bytes_of(mode.mode);
        return known;
    }

  private:
    making make(const extent_crypt_info& extent, acquire_context& asker) noexcept override {
        return made(
            or_no_memory([&] { return memory().allocate_in_io(asker.environment, extent.config().mode); }));
    }

    crypto_api api_;
    mutable mutex lock_;
    std::array<std::unique_ptr<skcipher>, crypto_mode_count> bases_ BLKCRYPTO_GUARDED_BY(lock_); // by mode
};

} // namespace

result<std::unique_ptr<key_strategy>> make_clone_transform(env&, const strategy_options& options) {
    return or_no_memory([&]() -> result<std::unique_ptr<key_strategy>> {
        return std::make_unique<clone_transform>(options);
    });
}

} // namespace blkcrypto::fsdemo
