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

void range_lock::count(const range_hold& h, std::uint32_t change) noexcept {
    exclusive_ += h.mode_ == range_mode::exclusive ? change : 0;
    if (is_wide(h)) {
        wide_ += change;
        return;
    }
    for (std::uint64_t granule = first_granule(h); granule <= last_granule(h); ++granule)
        cells_[cell_of(granule)] += change;
}

void range_lock::add(range_hold& h) noexcept {
    h.previous_ = last_;
    h.next_ = nullptr;
    (last_ == nullptr ? first_ : last_->next_) = &h;
    last_ = &h;
    count(h, 1);
}

void range_lock::remove(range_hold& h) noexcept {
    (h.previous_ == nullptr ? first_ : h.previous_->next_) = h.next_;
    (h.next_ == nullptr ? last_ : h.next_->previous_) = h.previous_;
    count(h, minus_one);
}

bool range_lock::may_conflict(const range_hold& h) const noexcept {
    if (first_ == nullptr || (h.mode_ == range_mode::shared && exclusive_ == 0))
        return false;
    if (wide_ != 0 || is_wide(h))
        return true;
    std::uint32_t touching = 0;
    for (std::uint64_t granule = first_granule(h); granule <= last_granule(h); ++granule)
        touching |= cells_[cell_of(granule)];
    return touching != 0;
}

std::uint32_t range_lock::conflicts_of(const range_hold& h) const noexcept {
    std::uint32_t conflicts = 0;
    if (may_conflict(h))
        for (const range_hold* other = first_; other != nullptr; other = other->next_)
            conflicts += other->conflicts_with(h) ? 1U : 0U;
    return conflicts;
}

bool range_lock::lock(env& current, range_hold& h) noexcept {
    {
        const env_lock lock(current, mutex_);
        h.conflicts_ahead_ = conflicts_of(h);
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
    h.conflicts_ahead_ = conflicts_of(h);
    if (h.conflicts_ahead_ != 0)
        return false;
    add(h);
    return true;
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
