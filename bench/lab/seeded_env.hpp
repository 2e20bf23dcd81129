// SPDX-License-Identifier: Apache-2.0
#pragma once
// A thread's env whose random bytes come out of the seed: what an image is laid out with, nonces and UUID,
// so that the same seed makes the same image. Everything else is the thread's own env.

#include "bench/seeded.hpp"
#include "blkcrypto/base/env.hpp"

namespace blkcrypto::bench {

class seeded_env final : public env {
  public:
    /// `e`: of this thread, which outlives it. Nothing is due in it.
    seeded_env(env& e, std::uint64_t seed) noexcept : env(e.hooks()), env_(e), numbers_(seed) {}

    void post(task& t) noexcept override { env_.post(t); }
    std::uint64_t now_ns() noexcept override { return env_.now_ns(); }
    bool has_virtual_clock() const noexcept override { return env_.has_virtual_clock(); }
    void fill_random(bytes_span bytes) noexcept override {
        for (auto& byte : bytes)
            byte = static_cast<std::byte>(numbers_.next());
    }
    unsigned run_ready() noexcept override { return env_.run_ready(); }
    void arm(timer& t, std::uint64_t deadline_ns) noexcept override { env_.arm(t, deadline_ns); }
    void cancel(timer& t) noexcept override { env_.cancel(t); }
    std::error_code watch(event_source& source) noexcept override { return env_.watch(source); }
    void unwatch(event_source& source) noexcept override { env_.unwatch(source); }

  private:
    void do_sleep() noexcept override { env_.sleep(); }

    env& env_;
    seeded_numbers numbers_;
};

} // namespace blkcrypto::bench
