// SPDX-License-Identifier: Apache-2.0
#pragma once
// An env without a world: one thread, a clock that stands still but for sleep(), random numbers from a seed.
// A whole stack that runs on one behaves the same each time. Not for tests of threads.

#include "blkcrypto/base/env.hpp"
#include "tests/support/random_bytes.hpp"

#include <cstddef>
#include <vector>

namespace blkcrypto::test {

class simulated_env final : public env {
  public:
    explicit simulated_env(std::uint64_t seed, env_hooks* hooks = nullptr) noexcept
        : env(hooks), random_(seed) {}

    void post(task& t) noexcept override { posted_.push(t); }
    std::uint64_t now_ns() noexcept override { return now_ns_; }
    bool has_virtual_clock() const noexcept override { return true; }
    void fill_random(bytes_span bytes) noexcept override { random_.fill(bytes); }
    unsigned run_ready() noexcept override;

    /// With something posted: nothing. Otherwise event sources are looked at, then the clock moves to the
    /// next timer. Sources alone are waited for. Aborts if there is nothing at all to wait for.
    void do_sleep() noexcept override;

    void arm(timer& t, std::uint64_t deadline_ns) noexcept override;
    void cancel(timer& t) noexcept override;
    std::error_code watch(event_source& source) noexcept override;
    void unwatch(event_source& source) noexcept override;

    /// Moves the clock without running anything.
    void advance_clock(std::uint64_t by_ns) noexcept { now_ns_ += by_ns; }

  private:
    unsigned run_due_timers() noexcept;
    bool poll_sources(bool block) noexcept;

    random_source random_;
    std::uint64_t now_ns_ = 0;
    task_list posted_;
    timer* timers_ = nullptr; // earliest deadline first
    std::vector<event_source*> sources_;
};

/// A pool of workers as the simulation has it: tasks run from the env's run_ready(), each after a delay of
/// its own of up to `delay_max_ns`, so that they may overtake each other. Without a delay they run in order.
class simulated_executor final : public executor, private timer {
  public:
    simulated_executor(simulated_env& environment, std::uint64_t seed, std::uint64_t delay_max_ns = 0);
    ~simulated_executor();

    void post(task& t) noexcept override;

  private:
    struct delayed_task {
        std::uint64_t due_ns;
        task* what;
    };

    void run(unsigned worker) noexcept override;
    void arm_for_first() noexcept;

    simulated_env& env_;
    random_source random_;
    const std::uint64_t delay_max_ns_;
    std::vector<delayed_task> delayed_; // the one due last comes first
    bool armed_ = false;
};

/// Polls a queue until nothing is in flight, and lets time pass where nothing ends. False if something is
/// left after many polls.
template <typename Queue>
bool drain(Queue& queue, simulated_env& e) {
    for (int polls = 0; polls < 100'000 && queue.in_flight() != 0; ++polls)
        if (queue.poll() == 0)
            e.advance_clock(1000);
    return queue.in_flight() == 0;
}

} // namespace blkcrypto::test
