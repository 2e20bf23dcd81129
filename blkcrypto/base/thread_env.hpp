// SPDX-License-Identifier: Apache-2.0
#pragma once
// The env of an ordinary thread: the machine's clock and random source, a mailbox that other threads post to,
// and a sleep that ends when one of them does. Made, used and destroyed on the thread it belongs to; only
// post() is for others.

#include "blkcrypto/base/env.hpp"
#include "blkcrypto/base/result.hpp"

#include <atomic>
#include <memory>
#include <span>
#include <vector>

namespace blkcrypto {

/// Tasks posted by any thread, taken by one. Lock-free; first in, first out.
class task_mailbox {
  public:
    /// True if the mailbox was empty before.
    bool push(task& t) noexcept {
        task* head = head_.load(std::memory_order_relaxed);
        do
            t.next_task_ = head;
        while (!head_.compare_exchange_weak(head, &t));
        return head == nullptr;
    }
    bool empty() const noexcept { return head_.load() == nullptr; }
    task_list take_all() noexcept;

  private:
    std::atomic<task*> head_{nullptr}; // the last one pushed; links lead back to the first
};

/// Sleeps in a thread_env's place, for a thread that has more to wake for than the env knows of.
class thread_sleeper {
  public:
    /// Until `wake_fd` is readable, a source has events - which is told its before_sleep() first and its
    /// on_ready() after - or `timeout_ns` passed (negative: never); or for anything else.
    virtual void sleep(int wake_fd, std::span<event_source* const> sources,
                       std::int64_t timeout_ns) noexcept = 0;

  protected:
    ~thread_sleeper() = default;
};

class thread_env final : public env {
  public:
    /// An errno of eventfd(2) on failure. `sleeper` outlives it; null: it sleeps by itself.
    static result<std::unique_ptr<thread_env>> make(env_hooks* hooks = nullptr,
                                                    thread_sleeper* sleeper = nullptr);
    ~thread_env() override;

    void post(task& t) noexcept override;
    std::uint64_t now_ns() noexcept override;
    void fill_random(bytes_span bytes) noexcept override;
    unsigned run_ready() noexcept override;
    void do_sleep() noexcept override;
    void arm(timer& t, std::uint64_t deadline_ns) noexcept override;
    void cancel(timer& t) noexcept override;
    std::error_code watch(event_source& source) noexcept override;
    void unwatch(event_source& source) noexcept override;

  private:
    static constexpr std::size_t sources_max = 64;

    thread_env(int wake_fd, env_hooks* hooks, thread_sleeper* sleeper)
        : env(hooks), wake_fd_(wake_fd), sleeper_(sleeper) {
        sources_.reserve(sources_max);
    }
    unsigned run_due_timers() noexcept;
    std::int64_t timeout_ns() noexcept;
    void sleep_somewhere(std::int64_t timeout_ns) noexcept;
    void poll_sources(std::int64_t timeout_ns) noexcept;
    void drain_wake_fd() noexcept;

    const int wake_fd_;
    thread_sleeper* const sleeper_;
    task_mailbox posted_;
    std::atomic<unsigned> posters_{0};  // threads inside post()
    std::atomic<bool> sleeping_{false}; // set: whoever posts must write to wake_fd_
    std::uint64_t wakes_owed_ = 0;      // writes to wake_fd_ not yet read back
    timer* timers_ = nullptr;           // earliest deadline first
    std::vector<event_source*> sources_;
};

} // namespace blkcrypto
