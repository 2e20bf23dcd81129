// SPDX-License-Identifier: Apache-2.0
// library-key: no transform to allocate. The key is expanded into memory that the extent's info brings along,
// as functions of a library over expanded keys allow, in any context.
#include "fsdemo/strategies/extent_transforms.hpp"
#include "fsdemo/strategies/strategy_table.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class starting_lock{"library_key.starting"};

class library_key final : public extent_transforms {
  public:
    explicit library_key(const strategy_options& options)
        : extent_transforms(options.memory_limit_bytes, options.lanes), lock_(starting_lock) {}

    strategy_traits traits() const noexcept override {
        std::size_t most = 0;
        for (const auto& implementation : skcipher_implementations())
            most = std::max(most, implementation.placed.bytes);
        return {.extent_memory_bytes = most};
    }

    // ENOPKG also for a mode that is there, but only as somebody else's library wants it.
    std::error_code start_using(env& e, const crypto_config& config) override {
        if (is_started(config))
            return {};
        const auto* implementation = selected_implementation(config.mode);
        if (implementation == nullptr || implementation->placed.make_at == nullptr)
            return make_error(ENOPKG);
        const env_lock lock(e, lock_);
        forms_[mode_index(config.mode)] = implementation->placed;
        set_started(config);
        return {};
    }

  private:
    making make(const extent_crypt_info& extent, acquire_context&) noexcept override {
        const placed_cipher& form = form_of(extent);
        if (const std::error_code error = memory().charge(1, form.bytes))
            return {acquire_outcome::failed, nullptr, to_blk_status(error)};
        return {acquire_outcome::ready, form.make_at(extent.memory().data())};
    }

    void unmake(const extent_crypt_info& extent, skcipher& transform) noexcept override {
        std::destroy_at(&transform);
        memory().give_back(1, form_of(extent).bytes);
    }

    const placed_cipher& form_of(const extent_crypt_info& extent) const noexcept {
        return forms_[mode_index(extent.config().mode)];
    }

    mutex lock_;
    std::array<placed_cipher, crypto_mode_count> forms_; // of modes that were started
};

} // namespace

result<std::unique_ptr<key_strategy>> make_library_key(env&, const strategy_options& options) {
    return or_no_memory(
        [&]() -> result<std::unique_ptr<key_strategy>> { return std::make_unique<library_key>(options); });
}

} // namespace blkcrypto::fsdemo
