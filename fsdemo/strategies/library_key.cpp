// SPDX-License-Identifier: Apache-2.0
// library-key: no transform to allocate. The key is expanded into memory that the extent's info brings along,
// as functions of a library over expanded keys allow, in any context.
#include "fsdemo/strategies/extent_transforms.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

class library_key final : public extent_transforms {
  public:
    explicit library_key(const strategy_options& options) : extent_transforms(options) {}

    // ENOPKG also for a mode that is there, but only as somebody else's library wants it.
    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_once(e, config, [&]() -> std::error_code {
            const auto* implementation = selected_implementation(config.mode);
            if (implementation == nullptr || implementation->placed.make_at == nullptr)
                return make_error(ENOPKG);
            forms_[mode_index(config.mode)] = implementation->placed;
            return {};
        });
    }

    std::size_t extent_memory_bytes(crypto_mode mode) const noexcept override {
        return forms_[mode_index(mode)].bytes;
    }
    std::error_code memory_reserved(env&, crypto_mode mode, std::uint64_t infos) noexcept override {
        return memory().charge(0, infos * forms_[mode_index(mode)].bytes);
    }
    void memory_released(env&, crypto_mode mode, std::uint64_t infos) noexcept override {
        memory().give_back(0, infos * forms_[mode_index(mode)].bytes);
    }

    // The infos' memory is there whether or not there is a key in it.
    strategy_figures figures(env& e) const noexcept override { return software_strategy::figures(e); }

  private:
    making make(const extent_crypt_info& extent, acquire_context&) noexcept override {
        (void)memory().charge(1, 0);
        return {acquire_outcome::ready, form_of(extent).make_at(extent.memory().data())};
    }

    void unmake(const extent_crypt_info&, skcipher& transform) noexcept override {
        std::destroy_at(&transform);
        memory().give_back(1, 0);
    }

    const placed_cipher& form_of(const extent_crypt_info& extent) const noexcept {
        return forms_[mode_index(extent.config().mode)];
    }

    std::array<placed_cipher, crypto_mode_count> forms_; // of a mode, once it is started: then it stays
};

} // namespace

result<std::unique_ptr<key_strategy>> make_library_key(env&, const strategy_options& options) {
    return or_no_memory(
        [&]() -> result<std::unique_ptr<key_strategy>> { return std::make_unique<library_key>(options); });
}

} // namespace blkcrypto::fsdemo
