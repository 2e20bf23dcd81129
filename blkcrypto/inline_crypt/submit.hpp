// SPDX-License-Identifier: Apache-2.0
#pragma once
// The callers' only door: whoever tags bios with crypto contexts submits them here (blk_crypto_submit_bio()),
// and says here which keys are coming and going. A bio goes to the device itself if that encrypts natively,
// through the fallback if not, and ends with notsupp where there is neither. Filters are below the door and
// submit to their lower queue directly.
//
// The order of a key's life: start_using_key(), I/O, evict_key(), free. Never free a key that was started and
// not evicted on every device.

#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/inline_crypt/crypto_fallback.hpp"
#include "blkcrypto/inline_crypt/fallback_queue.hpp"

#include <memory>

namespace blkcrypto {

/// blk_crypto_config_supported_natively().
bool config_supported_natively(const block_device& device, const crypto_config& config) noexcept;

/// blk_crypto_config_supported(): natively, or by the fallback; `fallback` may be null.
bool config_supported(const block_device& device, const crypto_fallback* fallback,
                      const crypto_config& config) noexcept;

/// blk_crypto_start_using_key(): before the first bio with the key on this device; never in the I/O path.
/// EOPNOTSUPP: a configuration neither can do. ENOPKG: no fallback, or no implementation of the mode. ENOMEM.
/// Where the device is a filter it reaches those below.
std::error_code start_using_key(env& e, block_device& device, crypto_fallback* fallback,
                                const key_request& key);

/// blk_crypto_evict_key(): no bio with the key is in flight on the device; afterwards it may be freed,
/// whatever is returned. An error is also one line in the log.
std::error_code evict_key(env& e, block_device& device, crypto_fallback* fallback,
                          const key_request& key) noexcept;

/// One thread's way through the door. Bios end in its poll() or wait(), which have the meaning they have in
/// block_queue; nothing else polls the device's queue.
class submit_queue {
  public:
    /// Opens a queue of `device`. `fallback` may be null; it and the device outlive the queue. ENOMEM; errors
    /// of the device.
    static result<std::unique_ptr<submit_queue>> make(block_device& device, crypto_fallback* fallback, env& e,
                                                      const queue_options& options);

    /// Noexcept, returns nothing, never blocks, never runs an end_io.
    void submit(bio& b) noexcept {
        if (!b.crypt)
            return lower_->submit(b);
        submit_encrypted(b);
    }

    unsigned poll() noexcept;
    unsigned wait() noexcept;
    unsigned in_flight() const noexcept;

    /// As block_queue::pools_are_whole().
    bool pools_are_whole() const noexcept {
        return lower_->pools_are_whole() && (fallback_ == nullptr || fallback_->pools_are_whole());
    }

    /// As block_queue::register_buffer().
    buffer_id register_buffer(bytes_span memory) noexcept { return lower_->register_buffer(memory); }

    /// Of the fallback's keyslots and the engine's.
    keyslot_counters keyslot_use() const noexcept;

  private:
    submit_queue(block_device& device, std::unique_ptr<block_queue> lower,
                 std::unique_ptr<fallback_queue> fallback);
    void submit_encrypted(bio& b) noexcept;
    void refuse(bio& b, blk_status why) noexcept;

    const crypto_capabilities* const native_;
    std::unique_ptr<block_queue> lower_;
    std::unique_ptr<fallback_queue> fallback_; // null: none. Before lower_ in destruction
    completion_list refused_;
    unsigned refused_in_flight_ = 0;
};

} // namespace blkcrypto
