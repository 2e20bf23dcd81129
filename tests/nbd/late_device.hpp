// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device in memory that carries out its bios on other threads, whenever they get to it, and tells the
// queue's thread by a post, while that may be asleep. Bios can be held back; they can fail; what was written
// is stable once a flush that began later has ended.

#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/block/block_device.hpp"

#include <condition_variable>
#include <mutex>
#include <vector>

namespace blkcrypto::test {

class late_device final : public block_device {
  public:
    explicit late_device(std::uint64_t size_bytes);

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return to_sectors_floor({medium_.size()}); }
    std::string describe() const override { return "late"; }
    result<std::unique_ptr<block_queue>> make_queue(env& environment, const queue_options& options) override;

    /// From now on nothing ends, until let_go().
    void hold_back();
    void let_go();
    /// Waits until so many bios are held back.
    void wait_for_held(std::size_t bios);

    /// What bios of the kind end with from now on.
    void fail(bio_op op, blk_status outcome);

    /// What would be there after a power cut. With no bio in flight.
    const std::vector<std::byte>& stable() const noexcept { return stable_; }
    std::size_t flushes() const noexcept { return flushes_; }

    /// For its queues, on any thread.
    void submitted();
    blk_status carry_out(const bio& b);
    executor& workers() noexcept { return *workers_; }

  private:
    const queue_limits limits_{.volatile_cache = true};
    std::mutex lock_; // of all below
    std::condition_variable changed_;
    std::vector<std::byte> medium_;
    std::vector<std::byte> stable_;
    std::size_t in_flight_ = 0;
    std::size_t flushes_ = 0;
    bool is_held_back_ = false;
    blk_status failure_ = blk_status::ok;
    bio_op failing_{};
    const std::unique_ptr<worker_pool> workers_; // ended first
};

} // namespace blkcrypto::test
