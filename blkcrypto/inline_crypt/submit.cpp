// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/submit.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/inline_crypt/crypto_profile.hpp"

#include <cerrno>
#include <new>
#include <string>

namespace blkcrypto {
namespace {

// Also where there is no memory for the device's name.
void warn_not_evicted(const block_device& device, std::error_code error) noexcept {
    try {
        log_warning(device.describe() + ": error " + std::to_string(error.value()) + " evicting key");
    } catch (const std::bad_alloc&) {
        log_warning("error evicting key");
    }
}

} // namespace

// --- keys ---

bool config_supported_natively(const block_device& device, const crypto_config& config) noexcept {
    const crypto_capabilities* native = device.native_crypto();
    return native != nullptr && native->supports(config);
}

bool config_supported(const block_device& device, const crypto_fallback* fallback,
                      const crypto_config& config) noexcept {
    return config_supported_natively(device, config) || (fallback != nullptr && fallback->supports(config));
}

std::error_code start_using_key(env& e, block_device& device, crypto_fallback* fallback,
                                const key_request& key) {
    if (config_supported_natively(device, key.config()))
        return device.profile() == nullptr ? std::error_code{} : device.profile()->start_using_key(e, key);
    if (key.config().key_type != crypto_key_type::raw)
        return make_error(EOPNOTSUPP);
    if (fallback == nullptr) {
        static warn_once warned;
        warned("crypto API fallback is disabled");
        return make_error(ENOPKG);
    }
    return fallback->start_using_key(e, key);
}

std::error_code evict_key(env& e, block_device& device, crypto_fallback* fallback,
                          const key_request& key) noexcept {
    std::error_code error;
    if (config_supported_natively(device, key.config()))
        error = device.profile()->evict_key(e, key);
    else if (fallback != nullptr)
        error = fallback->evict_key(e, key);
    if (error)
        warn_not_evicted(device, error);
    return error;
}

// --- bios ---

submit_queue::submit_queue(block_device& device, std::unique_ptr<block_queue> lower,
                           std::unique_ptr<fallback_queue> fallback)
    : native_(device.native_crypto()), lower_(std::move(lower)), fallback_(std::move(fallback)),
      refused_(lower_->environment()) {}

result<std::unique_ptr<submit_queue>> submit_queue::make(block_device& device, crypto_fallback* fallback,
                                                         env& e, const queue_options& options) {
    auto lower = device.make_queue(e, options);
    if (lower.has_error())
        return lower.error();
    std::unique_ptr<fallback_queue> mechanics;
    if (fallback != nullptr) {
        auto made = fallback_queue::make(*fallback, **lower, options);
        if (made.has_error())
            return made.error();
        mechanics = std::move(*made);
    }
    return or_no_memory([&]() -> result<std::unique_ptr<submit_queue>> {
        return std::unique_ptr<submit_queue>(
            new submit_queue(device, std::move(*lower), std::move(mechanics)));
    });
}

void submit_queue::submit_encrypted(bio& b) noexcept {
    const bool is_native = native_ != nullptr && native_->supports(b.crypt.key->config());
    if (is_native || !b.has_plaintext()) // with nothing to encrypt the lower queue says what the kernel says
        return lower_->submit(b);
    if (fallback_ != nullptr)
        return fallback_->submit(b);
    static warn_once warned;
    warned("crypto API fallback disabled; failing request.");
    refuse(b, blk_status::notsupp);
}

void submit_queue::refuse(bio& b, blk_status why) noexcept {
    b.set_status(why);
    b.enter_stage(bio_stage::done, lower_->environment());
    ++refused_in_flight_;
    refused_.push(b);
}

unsigned submit_queue::in_flight() const noexcept {
    const unsigned plain_and_refused = lower_->in_flight() + refused_in_flight_;
    if (fallback_ == nullptr)
        return plain_and_refused;
    return plain_and_refused - fallback_->lower_in_flight() + fallback_->in_flight();
}

unsigned submit_queue::poll() noexcept {
    if (fallback_ != nullptr)
        fallback_->unplug();
    unsigned ended = lower_->poll();
    if (fallback_ != nullptr) {
        ended -= fallback_->take_lower_ended();
        ended += fallback_->poll();
    }
    const unsigned refused = refused_.run();
    refused_in_flight_ -= refused;
    return ended + refused;
}

unsigned submit_queue::wait() noexcept {
    while (in_flight() != 0) {
        const unsigned ended = poll();
        if (ended != 0)
            return ended;
        lower_->environment().sleep();
    }
    return 0;
}

keyslot_counters submit_queue::keyslot_use() const noexcept {
    keyslot_counters use = lower_->keyslot_use();
    if (fallback_ != nullptr)
        use += fallback_->counters();
    return use;
}

} // namespace blkcrypto
