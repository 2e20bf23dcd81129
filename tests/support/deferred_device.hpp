// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device in memory whose completions are under the test's control: in any order, when the test says so,
// with errors where it wants them. Data moves when a bio completes, not when it is submitted, so that memory
// given back too early shows. Keeps a log of what it was asked to do, crypto contexts included.
//
// Any number of queues, on as many threads, as long as their bios do not overlap.

#include "blkcrypto/block/block_device.hpp"
#include "tests/support/random_bytes.hpp"

#include <mutex>
#include <optional>
#include <vector>

namespace blkcrypto::test {

/// When bios complete: on the first poll() in the order they came, a few at each poll() in random order, or
/// only by complete_held().
enum class completion_order { as_submitted, shuffled, manual };

struct device_request {
    bio_op op;
    sector start;
    std::uint32_t size_bytes;
    bool fua;
    bool preflush;
    bool encrypted; // came with a crypto context
};

class deferred_queue;

class deferred_device final : public block_device {
  public:
    deferred_device(sector capacity, completion_order order, std::uint64_t seed);

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return to_sectors_floor({medium_.size()}); }
    crypto_profile* profile() noexcept override { return native_profile_; }
    const crypto_capabilities* native_crypto() const noexcept override {
        return native_ ? &*native_ : nullptr;
    }
    std::string describe() const override { return "deferred"; }
    result<std::unique_ptr<block_queue>> make_queue(env& environment, const queue_options&) override;

    bytes_span medium() noexcept { return medium_; }
    bytes_span medium(sector start, std::size_t size_bytes) noexcept {
        return bytes_span(medium_).subspan(to_bytes(start).value, size_bytes);
    }

    /// From now on: bios of this kind that touch the sector end with `status` and move no data.
    void fail(bio_op op, sector where, blk_status status) { failures_.push_back({op, where, status}); }
    void heal() { failures_.clear(); }

    /// For order manual: completes the n-th of the bios that are held, of all queues together; its queue's
    /// next poll() ends it.
    void complete_held(std::size_t n = 0);
    void complete_all_held();
    std::size_t held() const noexcept { return held_.size(); }

    /// Makes the device say that it encrypts by itself (it does not); for queues made afterwards.
    void claim_native(const crypto_capabilities& native, crypto_profile* profile) {
        native_ = native;
        native_profile_ = profile;
    }

    const std::vector<device_request>& requests() const noexcept { return requests_; }
    std::size_t encrypted_requests() const;

  private:
    friend class deferred_queue;
    struct failure {
        bio_op op;
        sector where;
        blk_status status;
    };
    struct held_bio {
        bio* what;
        deferred_queue* queue;
    };

    void log(const bio& b);
    blk_status carry_out(const bio& b) noexcept;

    const queue_limits limits_;
    std::vector<std::byte> medium_;
    const completion_order order_;
    const std::uint64_t seed_;
    std::vector<failure> failures_;
    std::vector<held_bio> held_; // order manual only
    std::optional<crypto_capabilities> native_;
    crypto_profile* native_profile_ = nullptr;
    std::mutex log_lock_;
    std::vector<device_request> requests_;
};

} // namespace blkcrypto::test
