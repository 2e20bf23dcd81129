// SPDX-License-Identifier: Apache-2.0
#pragma once
// The world of one thread: its run queue, clock, timers, random source, file descriptors to wake for, and the
// I/O context it is in. Everything below nbd/ gets time, randomness and deferred work from here and nowhere
// else, so that a whole stack can run on one thread under a virtual clock and a seed, and be replayed.
//
// A thread in production uses thread_env. Hooks are for tests and checkers: null in production, where passing
// a hook costs one predictable branch.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/mutex.hpp"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <system_error>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace blkcrypto {

/// Work that was put off. Intrusive: the task is part of whatever it works on, posting it allocates nothing.
/// A task is in at most one run queue at a time.
class task {
  public:
    /// `worker` numbers the thread of a pool that runs it; 0 on an env's own thread.
    virtual void run(unsigned worker) noexcept = 0;

  protected:
    task() = default;
    ~task() = default;
    task(const task&) = delete;
    task& operator=(const task&) = delete;

  private:
    friend class task_list;
    friend class task_mailbox;
    task* next_task_ = nullptr;
};

/// First in, first out.
class task_list {
  public:
    bool empty() const noexcept { return head_ == nullptr; }
    void push(task& t) noexcept {
        t.next_task_ = nullptr;
        (head_ == nullptr ? head_ : tail_->next_task_) = &t;
        tail_ = &t;
    }
    void push_front(task& t) noexcept {
        t.next_task_ = head_;
        if (head_ == nullptr)
            tail_ = &t;
        head_ = &t;
    }
    task* pop() noexcept {
        task* first = head_;
        if (first != nullptr)
            head_ = first->next_task_;
        return first;
    }
    /// Moves all of the other list to the end of this one.
    void append(task_list& other) noexcept {
        if (other.empty())
            return;
        (head_ == nullptr ? head_ : tail_->next_task_) = other.head_;
        tail_ = other.tail_;
        other.head_ = nullptr;
    }

  private:
    task* head_ = nullptr;
    task* tail_ = nullptr;
};

/// Somewhere tasks run. May be called from any thread, never blocks, never runs a task in place.
class executor {
  public:
    virtual void post(task& t) noexcept = 0;

    /// Posts what is in the list and leaves it empty: one wake-up for all, where the executor can.
    virtual void post_all(task_list& tasks) noexcept {
        while (task* t = tasks.pop())
            post(*t);
    }

  protected:
    ~executor() = default;
};

/// A task that runs when the clock reaches its deadline.
class timer : public task {
  public:
    std::uint64_t deadline_ns = 0;
    timer* next_timer = nullptr; // the env's: armed timers, earliest first

  protected:
    ~timer() = default;
};

/// A file descriptor that a sleeping thread must wake for: readable means that its owner has something to do.
class event_source {
  public:
    explicit event_source(int fd) noexcept : fd_(fd) {}
    int fd() const noexcept { return fd_; }

    /// The thread woke because the descriptor is readable.
    virtual void on_ready() noexcept {}

    /// The env is about to sleep in poll(2): whatever was gathered for later has to go out now.
    virtual void before_sleep() noexcept {}

    /// Sleeps until the source has events, `wake_fd` is readable, or `timeout_ns` passed (negative: never).
    /// Only asked of a source that is the sole one of its env; false if it cannot, then the env polls.
    virtual bool sleep_here([[maybe_unused]] int wake_fd, [[maybe_unused]] std::int64_t timeout_ns) noexcept {
        return false;
    }

  protected:
    ~event_source() = default;
    void set_fd(int fd) noexcept { fd_ = fd; }

  private:
    int fd_;
};

/// What the code that runs now is allowed to do when it needs memory, as the kernel's memalloc scopes: may
/// reclaim through the filesystem, not enter the filesystem, not start I/O, not sleep at all.
enum class io_context : std::uint8_t { kernel, nofs, noio, atomic };

using allocation_class = resource_class;

/// Places in the code where another order of events is possible.
enum class hook_point : std::uint8_t { keyslot_try_get, keyslot_put, wait_begin, wake, keyslot_scan };

/// What an access to memory that threads share without a lock does there.
enum class shared_access : std::uint8_t { load, store, update };

class env_hooks {
  public:
    virtual ~env_hooks() = default;
    virtual void before_lock(mutex&, io_context) noexcept {}
    virtual void after_unlock(mutex&, io_context) noexcept {}
    /// `what`: the keyslots, or what is waited for.
    virtual void reached(hook_point, const resource_class& /*what*/, io_context) noexcept {}
    /// The code from here to the next hook makes this access and no other (hooked_atomic.hpp).
    virtual void before_access(shared_access, const void* /*object*/, std::size_t /*bytes*/) noexcept {}
    /// False makes the allocation fail.
    virtual bool allow_allocation(const allocation_class&, std::size_t /*bytes*/, io_context) noexcept {
        return true;
    }
    /// False makes the derivation of a key fail. Asked on any thread.
    virtual bool allow_derivation() noexcept { return true; }
    /// Greater at each call; see env::order_stamp().
    virtual std::uint64_t order_stamp() noexcept = 0;
};

class env : public executor {
  public:
    virtual ~env() = default;

    /// Monotonic time.
    virtual std::uint64_t now_ns() noexcept = 0;

    /// True if the clock is a simulation: modelled costs (an engine's programming time) apply only then.
    virtual bool has_virtual_clock() const noexcept { return false; }

    /// Cryptographically secure in production, seeded under test.
    virtual void fill_random(bytes_span bytes) noexcept = 0;

    /// Runs what was posted and timers that are due, on the owning thread. The number of tasks run.
    virtual unsigned run_ready() noexcept = 0;

    /// Blocks the owning thread until something was posted, a timer is due or a source has events. Not while
    /// something is due: the queue it is due in has to be polled first.
    void sleep() noexcept {
        if (!has_due())
            do_sleep();
    }

    /// Runs `t` on the owning thread once now_ns() >= deadline_ns. Not for a timer that is armed already.
    virtual void arm(timer& t, std::uint64_t deadline_ns) noexcept = 0;
    virtual void cancel(timer& t) noexcept = 0;

    /// sleep() also wakes for the source, until unwatch(). ENOSPC above the number of sources an env takes.
    virtual std::error_code watch(event_source& source) noexcept = 0;
    virtual void unwatch(event_source& source) noexcept = 0;

    /// A number that grows with time across all threads; only the order of two stamps means anything. Cheaper
    /// than now_ns().
    std::uint64_t order_stamp() noexcept {
        if (hooks_ != nullptr) [[unlikely]]
            return hooks_->order_stamp();
#if defined(__x86_64__)
        return __rdtsc();
#else
        return now_ns();
#endif
    }

    /// What the thread's queues have to do at their next poll: completions that were collected and not run,
    /// requests that were gathered and not started. While there are any, it may not sleep.
    void add_due(unsigned count) noexcept {
        due_ += count;
    }
    void remove_due(unsigned count) noexcept {
        assert(count <= due_);
        due_ -= count;
    }
    bool has_due() const noexcept {
        return due_ != 0;
    }

    env_hooks* hooks() const noexcept {
        return hooks_;
    }
    io_context context() const noexcept {
        return context_;
    }

    /// The context before. For who does not narrow it, as io_context_scope does, but names another.
    io_context replace_context(io_context context) noexcept {
        const io_context before = context_;
        context_ = context;
        return before;
    }

    void reached(hook_point point, const resource_class& what) noexcept {
        if (hooks_ != nullptr) [[unlikely]]
            hooks_->reached(point, what, context_);
    }

    void before_access(shared_access kind, const void* object, std::size_t bytes) noexcept {
        if (hooks_ != nullptr) [[unlikely]]
            hooks_->before_access(kind, object, bytes);
    }

    /// Asked before memory is allocated; false means: behave as if there were none.
    bool allow_allocation(const allocation_class& kind, std::size_t bytes) noexcept {
        return hooks_ == nullptr || hooks_->allow_allocation(kind, bytes, context_);
    }

    /// Asked before a key is derived; false means: behave as if that had failed.
    bool allow_derivation() noexcept {
        return hooks_ == nullptr || hooks_->allow_derivation();
    }

  protected:
    explicit env(env_hooks* hooks) noexcept : hooks_(hooks) {}

  private:
    virtual void do_sleep() noexcept = 0;

    friend class io_context_scope;
    env_hooks* hooks_;
    io_context context_ = io_context::kernel;
    unsigned due_ = 0;
};

/// As memalloc_noio_save() and its like: narrows the I/O context for a scope.
class io_context_scope {
  public:
    io_context_scope(env& e, io_context context) noexcept : env_(e), saved_(e.context_) {
        if (context > saved_)
            e.context_ = context;
    }
    ~io_context_scope() { env_.context_ = saved_; }
    io_context_scope(const io_context_scope&) = delete;
    io_context_scope& operator=(const io_context_scope&) = delete;

  private:
    env& env_;
    io_context saved_;
};

/// Scoped ownership of a mutex, seen by the hooks.
class BLKCRYPTO_SCOPED_CAPABILITY env_lock {
  public:
    env_lock(env& e, mutex& m) BLKCRYPTO_ACQUIRE(m) : env_(e), mutex_(m) {
        if (e.hooks() != nullptr) [[unlikely]]
            e.hooks()->before_lock(m, e.context());
        m.lock();
    }
    ~env_lock() BLKCRYPTO_RELEASE() {
        mutex_.unlock();
        if (env_.hooks() != nullptr) [[unlikely]]
            env_.hooks()->after_unlock(mutex_, env_.context());
    }
    env_lock(const env_lock&) = delete;
    env_lock& operator=(const env_lock&) = delete;

  private:
    env& env_;
    mutex& mutex_;
};

} // namespace blkcrypto
