// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device that remembers everything that was written to it and when it was stable: from that, every image
// that a crash at any point could have left behind. Beside simulated_device's cut_power(), which leaves one
// of them by chance.
//
//   crash_recorder device(image);          // what is in the image now is stable
//   ... run something on the device, device.mark() where it has been told that something is durable ...
//   device.for_each_crash(random, bounds, [&](const crash_image& c) { open c.bytes, compare });
//
// A write is stable once a flush has ended that was submitted after the write had ended, or with FUA when it
// has ended itself. Until then each write is there or is not, in any combination, whole or torn between
// sectors; where two go to one sector, what became stable last is not undone by the one before it. What was
// discarded is zeros then. For one thread.

#include "blkcrypto/block/block_device.hpp"
#include "tests/support/random_bytes.hpp"

#include <functional>
#include <vector>

namespace blkcrypto::test {

struct crash_bounds {
    /// Up to so many unstable writes all combinations are tried; of more than that all of them, and some at
    /// random.
    unsigned all_subsets_of = 4;
    unsigned random_subsets = 8;
    /// How often each combination is torn, beside whole.
    unsigned torn = 1;
    /// Of the points at which a crash could come each n-th is looked at, from a random one on.
    std::size_t every = 1;
};

/// What the medium may hold after a crash. Good until the callback returns.
struct crash_image {
    bytes_view bytes;
    std::size_t marks; // made before: what they stand for is durable
};

class crash_recorder final : public block_device {
  public:
    /// The bytes as they are now, and changed from now on.
    explicit crash_recorder(bytes_span medium);

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return to_sectors_floor({medium_.size()}); }
    std::string describe() const override { return "crash recorder"; }
    result<std::unique_ptr<block_queue>> make_queue(env& environment, const queue_options& options) override;

    void mark() { events_.push_back({event_kind::mark, 0}); }
    std::size_t writes() const noexcept { return writes_.size(); }

    /// Each image: the crash comes when a write has just been submitted, at a mark, or after everything. The
    /// number of images.
    std::size_t for_each_crash(random_source& random, const crash_bounds& bounds,
                               const std::function<void(const crash_image&)>& look) const;

  private:
    friend class recording_queue;
    friend class crash_replay;

    enum class event_kind { write_begins, write_ends, flush_begins, flush_ends, mark };
    struct event {
        event_kind what;
        std::size_t number; // of the write or flush
    };
    struct write {
        std::uint64_t first_sector;
        bool fua;
        std::vector<std::byte> data;
    };

    const queue_limits limits_{.volatile_cache = true};
    const bytes_span medium_;
    const std::vector<std::byte> before_;
    std::vector<event> events_;
    std::vector<write> writes_;
    std::size_t flushes_ = 0;
};

} // namespace blkcrypto::test
