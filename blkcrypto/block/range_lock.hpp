// SPDX-License-Identifier: Apache-2.0
#pragma once
// Locks on ranges of a file or of a device, for whoever must not write a part of a data unit while somebody
// else does: a range is held shared, by any number at a time, or exclusive. Nobody blocks and nothing is
// allocated: a hold is part of whatever asks for it, and one that has to wait is posted to its env once it
// has what it asked for. There is nothing to try again, so nobody can be overtaken for ever: a request waits
// for every earlier one that it conflicts with, also for those that still wait themselves.

#include "blkcrypto/base/mutex.hpp"
#include "blkcrypto/base/waiter.hpp"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

namespace blkcrypto {

enum class range_mode : std::uint8_t { shared, exclusive };

/// A range that somebody holds, or wants to hold. Its run() is called on the thread of its env, once, if
/// lock() had it wait: the range is held then. It stays where it is from lock() to unlock(), and may be used
/// again afterwards.
class range_hold : public waiter {
  public:
    explicit range_hold(env& owner) noexcept : waiter(owner) {}

    /// What is asked for: a range that is not empty, in bytes or in whatever all users of the lock count in.
    void set_range(std::uint64_t begin, std::uint64_t end, range_mode mode) noexcept {
        assert(begin < end);
        begin_ = begin;
        end_ = end;
        mode_ = mode;
    }

    std::uint64_t begin() const noexcept { return begin_; }
    std::uint64_t end() const noexcept { return end_; }
    range_mode mode() const noexcept { return mode_; }

    bool conflicts_with(const range_hold& other) const noexcept {
        return begin_ < other.end_ && other.begin_ < end_ &&
               (mode_ == range_mode::exclusive || other.mode_ == range_mode::exclusive);
    }

  protected:
    ~range_hold() = default;

  private:
    friend class range_lock;
    std::uint64_t begin_ = 0;
    std::uint64_t end_ = 0;
    range_mode mode_ = range_mode::shared;
    std::uint32_t conflicts_ahead_ = 0; // earlier holds that it waits for; 0: it is held
    range_hold* previous_ = nullptr;
    range_hold* next_ = nullptr;
};

/// The lock table of one file or device. Any thread; all holds are given back before it is destroyed.
class range_lock {
  public:
    /// `kind` names what is locked, for the hooks and for checks of the order of locks.
    explicit range_lock(const lock_class& kind) noexcept : mutex_(kind) {}
    ~range_lock() { assert(first_ == nullptr); }
    range_lock(const range_lock&) = delete;
    range_lock& operator=(const range_lock&) = delete;

    /// True: the range is held now. False: the hold waits, and is posted to its env once it is held. It
    /// cannot be withdrawn. `current` is the env of the calling thread here and below.
    bool lock(env& current, range_hold& h) noexcept;

    /// True: the range is held now. False: somebody holds, or waits for, what it conflicts with, and it is
    /// not in line.
    bool try_lock(env& current, range_hold& h) noexcept;

    /// Gives a range back that is held; those that waited for it alone hold theirs from here on, and are
    /// posted in the order in which they asked.
    void unlock(env& current, range_hold& h) noexcept;

    /// Nobody holds or waits for anything: for whoever looks for leaks.
    bool is_idle(env& current) noexcept;

  private:
    // How many holds touch a granule of the range, by its hash: where a request finds all its counts 0 it
    // conflicts with nobody, and the list need not be walked to know it.
    static constexpr unsigned granule_bits = 16;
    static constexpr unsigned cell_bits = 8;
    static constexpr std::uint64_t granules_max = 32; // of a hold that is counted; others are wide

    static std::uint64_t first_granule(const range_hold& h) noexcept { return h.begin_ >> granule_bits; }
    static std::uint64_t last_granule(const range_hold& h) noexcept { return (h.end_ - 1) >> granule_bits; }
    static bool is_wide(const range_hold& h) noexcept;
    static std::size_t cell_of(std::uint64_t granule) noexcept;
    void add(range_hold& h) noexcept BLKCRYPTO_REQUIRES(mutex_);
    void remove(range_hold& h) noexcept BLKCRYPTO_REQUIRES(mutex_);
    /// 0: nobody else is near.
    std::uint32_t count(const range_hold& h, std::uint32_t change) noexcept BLKCRYPTO_REQUIRES(mutex_);
    std::uint32_t conflicts_ahead_of(const range_hold& h) const noexcept BLKCRYPTO_REQUIRES(mutex_);

    mutex mutex_;
    range_hold*
        first_ BLKCRYPTO_GUARDED_BY(mutex_) = nullptr; // held or waiting, in the order of their lock()
    range_hold* last_ BLKCRYPTO_GUARDED_BY(mutex_) = nullptr;
    std::uint32_t exclusive_ BLKCRYPTO_GUARDED_BY(mutex_) = 0; // of those in the list
    std::uint32_t wide_ BLKCRYPTO_GUARDED_BY(mutex_) = 0;      // of those in the list, in no cell
    std::uint32_t waiting_ BLKCRYPTO_GUARDED_BY(mutex_) = 0;
    std::array<std::uint32_t, std::size_t{1} << cell_bits> cells_ BLKCRYPTO_GUARDED_BY(mutex_){};
};

} // namespace blkcrypto
