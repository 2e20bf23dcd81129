// SPDX-License-Identifier: Apache-2.0
#include "tests/support/simulated_device.hpp"

#include <algorithm>
#include <cstring>

namespace blkcrypto::test {
namespace {

// Tests that count allocations come here too.
constexpr std::size_t requests_expected = 1 << 16;
constexpr std::size_t pending_expected = 1 << 12;

std::uint64_t end_sector(const bio& b) noexcept {
    return b.iter.start.value + (b.iter.size_bytes >> sector_bits);
}

} // namespace

class simulated_queue final : public block_queue {
  public:
    simulated_queue(simulated_device& device, env& environment, const queue_options& options)
        : block_queue(device, environment, options), device_(device), env_(environment),
          random_(device.seed_), due_(*this), waker_(device.make_waker(*this)) {
        pending_.reserve(pending_expected);
        const std::lock_guard lock(device.log_lock_);
        device.queues_.push_back(this);
    }
    ~simulated_queue() override {
        waker_.queue = nullptr;
        env_.cancel(due_);
        const std::lock_guard lock(device_.log_lock_);
        std::erase(device_.queues_, this);
    }

    void finish(bio& b) noexcept {
        const blk_status outcome = device_.carry_out(b);
        if (device_.uses_up_bios_)
            b.advance(b.iter.size_bytes);
        complete(b, outcome);
    }

    std::vector<bio*> take_pending() {
        std::vector<bio*> all;
        for (const auto& p : std::exchange(pending_, {}))
            all.push_back(p.what);
        pending_.reserve(pending_expected);
        return all;
    }
    void lose(bio& b) noexcept {
        complete(b, blk_status::ioerr);
        keep_awake();
    }

  private:
    struct pending_bio {
        bio* what;
        std::uint64_t due_ns;
    };
    struct due_timer final : timer {
        explicit due_timer(simulated_queue& q) : queue(q) {}
        void run(unsigned) noexcept override {
            queue.is_armed_ = false;
            queue.do_poll();
        }
        simulated_queue& queue;
    };

    void do_submit(bio& b) noexcept override {
        device_.log(b);
        if (device_.order_ == completion_order::manual)
            return device_.held_.push_back({&b, this});
        const bool timed = device_.order_ == completion_order::timed;
        pending_.push_back({&b, timed ? env_.now_ns() + random_.below(simulated_device::latency_max_ns) : 0});
        keep_awake();
    }

    void do_poll() noexcept override {
        if (device_.order_ == completion_order::timed)
            finish_due();
        else
            finish_some();
        if (!pending_.empty())
            keep_awake();
    }

    void finish_some() noexcept {
        const bool shuffled = device_.order_ == completion_order::shuffled;
        std::size_t count = pending_.size();
        if (shuffled && count > 1)
            count = 1 + random_.below(count);
        for (; count != 0; --count)
            finish_pending(shuffled ? random_.below(pending_.size()) : 0);
    }

    void finish_due() noexcept {
        for (;;) {
            const auto first = earliest();
            if (first == pending_.end() || first->due_ns > env_.now_ns())
                return;
            finish_pending(static_cast<std::size_t>(first - pending_.begin()));
        }
    }

    void finish_pending(std::size_t n) noexcept {
        bio& ended = *pending_[n].what;
        pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(n));
        finish(ended);
    }

    std::vector<pending_bio>::iterator earliest() noexcept {
        return std::ranges::min_element(pending_, {}, &pending_bio::due_ns);
    }

    // What is left completes at the next poll(), or when its time has come: nobody may sleep longer.
    void keep_awake() noexcept {
        if (device_.order_ == completion_order::timed && !pending_.empty()) {
            if (is_armed_)
                env_.cancel(due_);
            is_armed_ = true;
            return env_.arm(due_, earliest()->due_ns);
        }
        if (!std::exchange(waker_.is_posted, true))
            env_.post(waker_);
    }

    simulated_device& device_;
    env& env_;
    random_source random_;
    std::vector<pending_bio> pending_;
    due_timer due_;
    bool is_armed_ = false;
    queue_waker& waker_;

    friend struct queue_waker;
};

// Not left to the next poll: this may be that of another queue of the env, and then everybody sleeps.
void queue_waker::run(unsigned) noexcept {
    is_posted = false;
    if (queue != nullptr)
        queue->do_poll();
}

queue_waker& simulated_device::make_waker(simulated_queue& queue) {
    const std::lock_guard lock(log_lock_);
    return wakers_.emplace_back(queue);
}

simulated_device::simulated_device(sector capacity, completion_order order, std::uint64_t seed)
    : medium_(to_bytes(capacity).value), order_(order), seed_(seed), random_(seed + 1) {
    requests_.reserve(requests_expected);
    held_.reserve(pending_expected);
}

result<std::unique_ptr<block_queue>> simulated_device::make_queue(env& environment,
                                                                  const queue_options& options) {
    return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
        return std::make_unique<simulated_queue>(*this, environment, options);
    });
}

void simulated_device::log(const bio& b) {
    const std::lock_guard lock(log_lock_);
    requests_.push_back(
        {b.op, b.iter.start, b.iter.size_bytes, b.fua, b.preflush, static_cast<bool>(b.crypt)});
}

std::size_t simulated_device::encrypted_requests() const {
    return static_cast<std::size_t>(std::ranges::count_if(requests_, &device_request::encrypted));
}

// --- operations ---

blk_status simulated_device::carry_out(const bio& b) noexcept {
    const std::optional<device_fault> fault = fault_of(b);
    const data_moved how_much = fault ? fault->moved : data_moved::all;
    if (how_much != data_moved::none) {
        if (b.is_flush() || b.preflush)
            flush_cache();
        move(b, how_much);
    }
    return fault ? fault->status : blk_status::ok;
}

std::optional<device_fault> simulated_device::fault_of(const bio& b) noexcept {
    for (const auto& f : failures_)
        if (f.op == b.op && f.where.value >= b.iter.start.value && f.where.value < end_sector(b))
            return device_fault{f.status, data_moved::none};
    return faults_ == nullptr ? std::nullopt : faults_->fault_of(b);
}

void simulated_device::move(const bio& b, data_moved how_much) noexcept {
    std::uint64_t sectors = b.iter.size_bytes >> sector_bits;
    if (how_much == data_moved::first_sectors)
        sectors = sectors == 0 ? 0 : random_.below(sectors);
    bvec_iter at = b.iter;
    for (; sectors != 0; --sectors) {
        if (how_much != data_moved::some_sectors || random_.below(2) == 0)
            move_sector(b, at);
        at.advance(b.segments, sector_size_bytes);
    }
    if (is_watched() && b.fua && how_much == data_moved::all)
        make_stable(b.iter.start.value, end_sector(b));
}

void simulated_device::move_sector(const bio& b, const bvec_iter& at) noexcept {
    std::byte* const stored = medium_.data() + to_bytes(at.start).value;
    if (b.op == bio_op::read) {
        std::memcpy(at.current(b.segments).data, stored, sector_size_bytes);
        return;
    }
    if (b.op == bio_op::write)
        std::memcpy(stored, at.current(b.segments).data, sector_size_bytes);
    else if (b.op != bio_op::flush)
        std::memset(stored, 0, sector_size_bytes);
    if (is_watched())
        is_dirty_[at.start.value] = true;
}

void simulated_device::complete_held(std::size_t n) {
    const held_bio chosen = held_.at(n);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(n));
    chosen.queue->finish(*chosen.what);
}

void simulated_device::complete_all_held() {
    while (!held_.empty())
        complete_held();
}

// --- stability ---

void simulated_device::watch_stability() {
    stable_ = medium_;
    is_dirty_.assign(capacity().value, false);
}

void simulated_device::make_stable(std::uint64_t first_sector, std::uint64_t end_sector) noexcept {
    for (std::uint64_t i = first_sector; i < end_sector; ++i) {
        std::memcpy(stable_.data() + (i << sector_bits), medium_.data() + (i << sector_bits),
                    sector_size_bytes);
        is_dirty_[i] = false;
    }
}

void simulated_device::flush_cache() noexcept {
    if (is_watched())
        make_stable(0, capacity().value);
}

// A write that wanted what was before it stable first either got that and may have come through in part, or
// did not get as far.
void simulated_device::cut_power() {
    const auto writes_in_part = [this](const bio& b) {
        if (b.op == bio_op::read || random_.below(2) == 0)
            return;
        if (b.preflush || b.is_flush())
            flush_cache();
        move(b, data_moved::some_sectors);
    };
    for (simulated_queue* queue : queues_)
        for (bio* b : queue->take_pending()) {
            writes_in_part(*b);
            queue->lose(*b);
        }
    for (const held_bio& held : std::exchange(held_, {})) {
        writes_in_part(*held.what);
        held.queue->lose(*held.what);
    }
    lose_cache();
}

void simulated_device::lose_cache() noexcept {
    for (std::uint64_t i = 0; i < is_dirty_.size(); ++i)
        if (is_dirty_[i] && random_.below(2) == 0)
            make_stable(i, i + 1);
    medium_ = stable_;
    is_dirty_.assign(is_dirty_.size(), false);
}

} // namespace blkcrypto::test
