// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/selection.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/cipher/mode_switch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <new>
#include <optional>
#include <string>

namespace blkcrypto {
namespace {

// What was found out; nothing while memory was short.
class selection {
  public:
    result<const skcipher_implementation*> of(crypto_mode mode) {
        if (find_mode(mode) == nullptr)
            return nullptr;
        const std::lock_guard lock(mutex_);
        return or_no_memory([&]() -> result<const skcipher_implementation*> {
            auto& known = known_[mode_index(mode)];
            if (!known)
                known = select(mode);
            return *known;
        });
    }

    std::error_code check(const skcipher_implementation& implementation) noexcept {
        const std::lock_guard lock(mutex_);
        try {
            return passes(implementation) ? std::error_code() : make_error(ENOPKG);
        } catch (const std::bad_alloc&) {
            return make_error(ENOMEM);
        }
    }

    void override_with(const selection_override& with) noexcept {
        const std::lock_guard lock(mutex_);
        override_ = with;
        known_ = {};
        verdicts_.clear();
    }

  private:
    struct verdict {
        const skcipher_implementation* on;
        bool passed;
    };

    const skcipher_implementation* select(crypto_mode mode) {
        const skcipher_implementation* found = first_that_works(override_.before, mode);
        return found != nullptr ? found : first_that_works(skcipher_implementations(), mode);
    }

    const skcipher_implementation* first_that_works(std::span<const skcipher_implementation> among,
                                                    crypto_mode mode) {
        const auto found = std::ranges::find_if(among, [&](const auto& implementation) {
            return implementation.mode == mode && passes(implementation);
        });
        return found != among.end() ? &*found : nullptr;
    }

    bool passes(const skcipher_implementation& implementation) {
        if (disabled_modes().test(mode_index(implementation.mode)) ||
            !cpu_features().without(override_.features_disabled).contains(implementation.needs))
            return false;
        const auto known = std::ranges::find(verdicts_, &implementation, &verdict::on);
        if (known != verdicts_.end())
            return known->passed;
        const bool passed = override_.passes(implementation);
        // Memory may be short: it is said when it will be known.
        const std::string line = std::string(implementation.name) + " failed its self-test and is not used";
        verdicts_.push_back({&implementation, passed});
        if (!passed)
            log_warning(line);
        return passed;
    }

    std::mutex mutex_;
    selection_override override_;
    std::array<std::optional<const skcipher_implementation*>, crypto_mode_count> known_;
    std::vector<verdict> verdicts_;
};

selection& selected() {
    static selection all;
    return all;
}

} // namespace

result<const skcipher_implementation*> select_implementation(crypto_mode mode) {
    return selected().of(mode);
}

const skcipher_implementation* selected_implementation(crypto_mode mode) noexcept {
    const auto known = selected().of(mode);
    return known.has_value() ? *known : nullptr;
}

std::error_code check_usable(const skcipher_implementation& implementation) noexcept {
    return selected().check(implementation);
}

std::size_t tfm_bytes(crypto_mode mode, unsigned lanes) noexcept {
    const auto* implementation = selected_implementation(mode);
    if (implementation == nullptr)
        return 0;
    return implementation->tfm_bytes * (implementation->library.empty() ? 1 : std::max(lanes, 1U));
}

result<std::unique_ptr<skcipher>> make_skcipher(crypto_mode mode, unsigned lanes) {
    const auto known = selected().of(mode);
    if (known.has_error())
        return known.error();
    if (*known == nullptr)
        return make_error(ENOPKG);
    return or_no_memory([&] { return (*known)->make(lanes); });
}

void override_selection(const selection_override& with) noexcept {
    selected().override_with(with);
}

} // namespace blkcrypto
