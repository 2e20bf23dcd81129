// SPDX-License-Identifier: Apache-2.0
// clone-transform: a base transform for each mode, made at open; an extent's is a clone of it. Cloning
// allocates, in the I/O path's own context, but looks nothing up, takes no lock and loads no module.
#include "fsdemo/strategies/crypto_api.hpp"
#include "fsdemo/strategies/extent_transforms.hpp"

namespace blkcrypto::fsdemo {
namespace {

class clone_transform final : public extent_transforms {
  public:
    explicit clone_transform(const strategy_options& options) : extent_transforms(options), api_(memory()) {}
    ~clone_transform() override {
        for (const auto& mode : crypto_modes())
            if (bases_[mode_index(mode.mode)])
                memory().free(std::move(bases_[mode_index(mode.mode)]), mode.mode);
    }

    strategy_traits traits() const noexcept override { return {.modules = module_use::at_open}; }

    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_once(e, config, [&]() -> std::error_code {
            auto made = api_.allocate(e, config.mode);
            if (made)
                bases_[mode_index(config.mode)] = std::move(*made);
            return made ? std::error_code{} : made.error();
        });
    }

    // The bases; clones go with infos that nobody uses.
    strategy_figures figures(env& e) const noexcept override {
        strategy_figures known = extent_transforms::figures(e);
        for (const auto& mode : crypto_modes())
            if (has_started(mode.mode))
                known.pinned_bytes += memory().bytes_of(mode.mode);
        return known;
    }

  private:
    making make(const extent_crypt_info& extent, acquire_context& asker) noexcept override {
        asker.enter_stage(bio_stage::allocate);
        return made(
            or_no_memory([&] { return memory().allocate_in_io(asker.environment, extent.config().mode); }));
    }

    crypto_api api_;
    std::array<std::unique_ptr<skcipher>, crypto_mode_count> bases_; // of modes that were started
};

} // namespace

result<std::unique_ptr<key_strategy>> make_clone_transform(env&, const strategy_options& options) {
    return or_no_memory([&]() -> result<std::unique_ptr<key_strategy>> {
        return std::make_unique<clone_transform>(options);
    });
}

} // namespace blkcrypto::fsdemo
