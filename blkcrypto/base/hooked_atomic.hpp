// SPDX-License-Identifier: Apache-2.0
#pragma once
// An atomic whose every access passes the hooks of the env first. What keyslots and wait lists share between
// threads without a lock is made of these, so that a checker can let another thread come in before each
// access and knows beforehand what will be read or written. Without hooks an access is the atomic's, after
// one predictable branch.

#include "blkcrypto/base/env.hpp"

#include <atomic>

namespace blkcrypto {

template <typename T>
class hooked_atomic {
  public:
    constexpr hooked_atomic() noexcept : value_{} {}
    constexpr explicit hooked_atomic(T initial) noexcept : value_(initial) {}

    T load(env& e, std::memory_order order = std::memory_order_seq_cst) const noexcept {
        e.before_access(shared_access::load, &value_, sizeof(value_));
        return value_.load(order);
    }

    void store(env& e, T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        e.before_access(shared_access::store, &value_, sizeof(value_));
        value_.store(value, order);
    }

    T fetch_add(env& e, T addend) noexcept {
        e.before_access(shared_access::update, &value_, sizeof(value_));
        return value_.fetch_add(addend);
    }

    T fetch_sub(env& e, T subtrahend) noexcept {
        e.before_access(shared_access::update, &value_, sizeof(value_));
        return value_.fetch_sub(subtrahend);
    }

    /// May fail without a reason.
    bool compare_exchange_weak(env& e, T& expected, T desired) noexcept {
        e.before_access(shared_access::update, &value_, sizeof(value_));
        return value_.compare_exchange_weak(expected, desired);
    }

    bool compare_exchange_strong(env& e, T& expected, T desired) noexcept {
        e.before_access(shared_access::update, &value_, sizeof(value_));
        return value_.compare_exchange_strong(expected, desired);
    }

    /// Past the hooks: for checkers, and before threads share it.
    T peek() const noexcept { return value_.load(std::memory_order_relaxed); }
    void set(T value) noexcept { value_.store(value, std::memory_order_relaxed); }

  private:
    std::atomic<T> value_;
};

} // namespace blkcrypto
