// SPDX-License-Identifier: Apache-2.0
#include "tests/nbd/late_device.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <doctest/doctest.h>

namespace blkcrypto::test {
namespace {

constexpr std::chrono::seconds deadline{30};

class late_queue final : public block_queue {
  public:
    late_queue(late_device& device, env& environment, const queue_options& options)
        : block_queue(device, environment, options), device_(device) {}

  private:
    /// A bio, first on a worker and then back on the queue's thread. Used again for others.
    struct job final : task {
        explicit job(late_queue& q) : queue(q), back(*this) {}
        void run(unsigned) noexcept override {
            outcome = queue.device_.carry_out(*what);
            queue.environment().post(back);
        }

        struct way_back final : task {
            explicit way_back(job& j) : of(j) {}
            void run(unsigned) noexcept override { of.queue.ended(of); }
            job& of;
        };

        late_queue& queue;
        way_back back;
        bio* what = nullptr;
        blk_status outcome = blk_status::ok;
    };

    void do_submit(bio& b) noexcept override {
        job& j = free_.empty() ? jobs_.emplace_back(*this) : *free_.back();
        if (!free_.empty())
            free_.pop_back();
        j.what = &b;
        device_.submitted();
        device_.workers().post(j);
    }
    void do_poll() noexcept override {}
    void ended(job& j) {
        free_.push_back(&j);
        complete(*j.what, j.outcome);
    }

    late_device& device_;
    std::deque<job> jobs_;
    std::vector<job*> free_;
};

} // namespace

late_device::late_device(std::uint64_t size_bytes)
    : medium_(size_bytes), stable_(size_bytes), workers_(*worker_pool::make(2, "late_device")) {}

result<std::unique_ptr<block_queue>> late_device::make_queue(env& environment, const queue_options& options) {
    return std::make_unique<late_queue>(*this, environment, options);
}

void late_device::hold_back() {
    const std::lock_guard guard(lock_);
    is_held_back_ = true;
}

void late_device::let_go() {
    const std::lock_guard guard(lock_);
    is_held_back_ = false;
    changed_.notify_all();
}

void late_device::wait_for_held(std::size_t bios) {
    std::unique_lock guard(lock_);
    REQUIRE(changed_.wait_for(guard, deadline, [&] { return in_flight_ >= bios; }));
}

void late_device::fail(bio_op op, blk_status outcome) {
    const std::lock_guard guard(lock_);
    failing_ = op;
    failure_ = outcome;
}

void late_device::submitted() {
    const std::lock_guard guard(lock_);
    ++in_flight_;
    changed_.notify_all();
}

blk_status late_device::carry_out(const bio& b) {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return !is_held_back_; });
    --in_flight_;
    if (failure_ != blk_status::ok && failing_ == b.op)
        return failure_;
    if (b.is_flush()) {
        ++flushes_;
        stable_ = medium_;
    }
    std::byte* at = medium_.data() + to_bytes(b.iter.start).value;
    for (const bio_vec& segment : b.segments) {
        if (b.op == bio_op::read)
            std::copy_n(at, segment.length_bytes, segment.data);
        else
            std::copy_n(segment.data, segment.length_bytes, at);
        at += segment.length_bytes;
    }
    return blk_status::ok;
}

} // namespace blkcrypto::test
