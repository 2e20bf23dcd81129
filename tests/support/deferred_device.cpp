// SPDX-License-Identifier: Apache-2.0
#include "tests/support/deferred_device.hpp"

#include <algorithm>
#include <cstring>

namespace blkcrypto::test {
namespace {

// Tests that count allocations come here too.
constexpr std::size_t requests_expected = 1 << 16;
constexpr std::size_t pending_expected = 1 << 12;

} // namespace

class deferred_queue final : public block_queue, private task {
  public:
    deferred_queue(deferred_device& device, env& environment)
        : block_queue(device, environment), device_(device), env_(environment), random_(device.seed_) {
        pending_.reserve(pending_expected);
    }

    void finish(bio& b) noexcept { complete(b, device_.carry_out(b)); }

  private:
    void run(unsigned) noexcept override { posted_ = false; }

    void do_submit(bio& b) noexcept override {
        device_.log(b);
        if (device_.order_ == completion_order::manual)
            return device_.held_.push_back({&b, this});
        pending_.push_back(&b);
        keep_awake();
    }

    void do_poll() noexcept override {
        const bool shuffled = device_.order_ == completion_order::shuffled;
        std::size_t count = pending_.size();
        if (shuffled && count > 1)
            count = 1 + random_.below(count);
        for (; count != 0; --count) {
            const std::size_t n = shuffled ? random_.below(pending_.size()) : 0;
            bio& ended = *pending_[n];
            pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(n));
            finish(ended);
        }
        if (!pending_.empty())
            keep_awake();
    }

    // What is left completes at the next poll(): nobody may sleep until then.
    void keep_awake() noexcept {
        if (!posted_)
            env_.post(*this);
        posted_ = true;
    }

    deferred_device& device_;
    env& env_;
    random_source random_;
    std::vector<bio*> pending_;
    bool posted_ = false;
};

deferred_device::deferred_device(sector capacity, completion_order order, std::uint64_t seed)
    : medium_(to_bytes(capacity).value), order_(order), seed_(seed) {
    requests_.reserve(requests_expected);
    held_.reserve(pending_expected);
}

result<std::unique_ptr<block_queue>> deferred_device::make_queue(env& environment, const queue_options&) {
    return std::make_unique<deferred_queue>(*this, environment);
}

void deferred_device::log(const bio& b) {
    const std::lock_guard lock(log_lock_);
    requests_.push_back(
        {b.op, b.iter.start, b.iter.size_bytes, b.fua, b.preflush, static_cast<bool>(b.crypt)});
}

std::size_t deferred_device::encrypted_requests() const {
    return static_cast<std::size_t>(std::ranges::count_if(requests_, &device_request::encrypted));
}

blk_status deferred_device::carry_out(const bio& b) noexcept {
    const std::uint64_t begin = b.iter.start.value;
    const std::uint64_t end = begin + (b.iter.size_bytes >> sector_bits);
    for (const auto& f : failures_)
        if (f.op == b.op && f.where.value >= begin && f.where.value < end)
            return f.status;
    std::byte* at_medium = medium_.data() + to_bytes(b.iter.start).value;
    for (bvec_iter at = b.iter; at.size_bytes != 0;) {
        const bio_vec segment = at.current(b.segments);
        std::memcpy(b.op == bio_op::read ? segment.data : at_medium,
                    b.op == bio_op::read ? at_medium : segment.data, segment.length_bytes);
        at_medium += segment.length_bytes;
        at.advance(b.segments, segment.length_bytes);
    }
    return blk_status::ok;
}

void deferred_device::complete_held(std::size_t n) {
    const held_bio chosen = held_.at(n);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(n));
    chosen.queue->finish(*chosen.what);
}

void deferred_device::complete_all_held() {
    while (!held_.empty())
        complete_held();
}

} // namespace blkcrypto::test
