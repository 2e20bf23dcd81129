// SPDX-License-Identifier: Apache-2.0
#pragma once
// How everything here waits: try, and if that fails, leave a waiter. Whoever gives the resource back wakes
// the waiter, that is, posts it to the env it belongs to; there it tries again. A waiter owns nothing while
// it waits.

#include "blkcrypto/base/hooked_atomic.hpp"

namespace blkcrypto {

/// One parked acquisition: its run() tries again. In at most one wait_list at a time.
class waiter : public task {
  public:
    explicit waiter(env& owner) noexcept : owner_(owner) {}
    env& owner() const noexcept { return owner_; }

  protected:
    ~waiter() = default;

  private:
    friend class wait_list;
    env& owner_;
};

/// The waiters of one resource, first in, first out. Lost wake-ups are ruled out by an order that the users
/// keep: a waiter is added first and the resource tried once more after that; a resource is given back first
/// and the list looked at after that. Both sides are sequentially consistent, so at least one of them sees
/// the other.
class wait_list {
  public:
    explicit wait_list(const lock_class& kind) noexcept : mutex_(kind) {}

    /// The caller must try its resource once more, and call wake_one() if it got it.
    void add(waiter& w) noexcept {
        w.owner().reached(hook_point::wait_begin, mutex_.kind());
        const env_lock lock(w.owner(), mutex_);
        waiting_.push(w);
        count_.fetch_add(w.owner(), 1);
    }

    /// Posts the waiter that has waited longest, if there is one. One load when nobody waits.
    void wake_one(env& current) noexcept {
        if (count_.load(current) == 0) [[likely]]
            return;
        current.reached(hook_point::wake, mutex_.kind());
        waiter* first = nullptr;
        {
            const env_lock lock(current, mutex_);
            first = static_cast<waiter*>(waiting_.pop());
            if (first != nullptr)
                count_.fetch_sub(current, 1);
        }
        if (first != nullptr)
            first->owner().post(*first);
    }

    /// For the end of every attempt to get the resource, whatever came of it: one that parked may have come
    /// too late to be seen by who gave it back, and one that was woken may not have needed it.
    template <typename IsOneFree>
    void pass_on_wake(env& current, IsOneFree is_one_free) noexcept {
        if (!empty(current) && is_one_free()) [[unlikely]]
            wake_one(current);
    }

    /// Takes `w` out of the line. False if it is not there: it has been posted, and the wake is its owner's
    /// to use or to hand on.
    bool remove(waiter& w) noexcept {
        const env_lock lock(w.owner(), mutex_);
        bool found = false;
        task_list others;
        while (task* t = waiting_.pop())
            if (t == &w)
                found = true;
            else
                others.push(*t);
        waiting_ = others;
        count_.fetch_sub(w.owner(), found ? 1 : 0);
        return found;
    }

    bool empty(env& current) const noexcept { return count_.load(current) == 0; }

  private:
    mutex mutex_;
    task_list waiting_ BLKCRYPTO_GUARDED_BY(mutex_);
    hooked_atomic<std::uint32_t> count_{0};
};

} // namespace blkcrypto
