// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/range_lock.hpp"

#include "blkcrypto/base/env.hpp"

namespace blkcrypto {
namespace {

constexpr std::uint32_t minus_one = UINT32_MAX;

} // namespace

bool range_lock::is_wide(const range_hold& h) noexcept {
    return last_granule(h) - first_granule(h) >= granules_max;
}

// Fibonacci hashing: neighbours spread, and so does a stride that is a power of two.
std::size_t range_lock::cell_of(std::uint64_t granule) noexcept {
    return (granule * 0x9e3779b97f4a7c15) >> (64 - cell_bits);
}

void range_lock::add(range_hold& h) noexcept {
    h.previous_ = last_;
    h.next_ = nullptr;
    (last_ == nullptr ? first_ : last_->next_) = &h;
    last_ = &h;
    const bool meets_nobody = h.mode_ == range_mode::shared && exclusive_ == 0;
    const std::uint32_t others = count(h, 1);
    h.conflicts_ahead_ = meets_nobody || others == 0 ? 0 : conflicts_ahead_of(h);
}

void range_lock::remove(range_hold& h) noexcept {
    (h.previous_ == nullptr ? first_ : h.previous_->next_) = h.next_;
    (h.next_ == nullptr ? last_ : h.next_->previous_) = h.previous_;
    count(h, minus_one);
}

std::uint32_t range_lock::count(const range_hold& h, std::uint32_t change) noexcept {
    exclusive_ += h.mode_ == range_mode::exclusive ? change : 0;
    if (is_wide(h)) {
        wide_ += change;
        return 1;
    }
    std::uint32_t others = wide_;
    for (std::uint64_t granule = first_granule(h); granule <= last_granule(h); ++granule) {
        std::uint32_t& cell = cells_[cell_of(granule)];
        others |= cell;
        cell += change;
    }
    return others;
}

std::uint32_t range_lock::conflicts_ahead_of(const range_hold& h) const noexcept {
    std::uint32_t conflicts = 0;
    for (const range_hold* other = first_; other != &h; other = other->next_)
        conflicts += other->conflicts_with(h) ? 1U : 0U;
    return conflicts;
}

bool range_lock::lock(env& current, range_hold& h) noexcept {
    {
        const env_lock lock(current, mutex_);
        add(h);
        if (h.conflicts_ahead_ == 0)
            return true;
        ++waiting_;
    }
    current.reached(hook_point::wait_begin, mutex_.kind());
    return false;
}

bool range_lock::try_lock(env& current, range_hold& h) noexcept {
    const env_lock lock(current, mutex_);
    add(h);
    const bool is_held = h.conflicts_ahead_ == 0;
    if (!is_held)
        remove(h);
    return is_held;
}

// Later ones that conflict have counted this one, whether it was held then or waited itself. A hold that is
// granted here stays as it is until its env has run it, so it can be posted after the lock is open.
void range_lock::unlock(env& current, range_hold& h) noexcept {
    task_list granted;
    {
        const env_lock lock(current, mutex_);
        assert(h.conflicts_ahead_ == 0);
        range_hold* later = waiting_ == 0 ? nullptr : h.next_;
        remove(h);
        for (; later != nullptr; later = later->next_) {
            if (!later->conflicts_with(h) || --later->conflicts_ahead_ != 0)
                continue;
            --waiting_;
            granted.push(*later);
        }
    }
    if (granted.empty()) [[likely]]
        return;
    current.reached(hook_point::wake, mutex_.kind());
    while (task* const t = granted.pop()) {
        range_hold& held = static_cast<range_hold&>(*t);
        held.owner().post(held);
    }
}

bool range_lock::is_idle(env& current) noexcept {
    const env_lock lock(current, mutex_);
    return first_ == nullptr;
}

} // namespace blkcrypto
