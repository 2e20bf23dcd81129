// SPDX-License-Identifier: Apache-2.0
#pragma once
// A clock that shows how often it was read, so that every stage takes some time.

#include "tests/support/simulated_env.hpp"

namespace blkcrypto::test {

class ticking_env final : public env {
  public:
    explicit ticking_env(simulated_env& inner) : env(nullptr), inner_(inner) {}
    void post(task& t) noexcept override { inner_.post(t); }
    std::uint64_t now_ns() noexcept override { return ++now_ns_; }
    void fill_random(bytes_span bytes) noexcept override { inner_.fill_random(bytes); }
    unsigned run_ready() noexcept override { return inner_.run_ready(); }
    void do_sleep() noexcept override { inner_.sleep(); }
    void arm(timer& t, std::uint64_t deadline_ns) noexcept override { inner_.arm(t, deadline_ns); }
    void cancel(timer& t) noexcept override { inner_.cancel(t); }
    std::error_code watch(event_source& source) noexcept override { return inner_.watch(source); }
    void unwatch(event_source& source) noexcept override { inner_.unwatch(source); }

  private:
    simulated_env& inner_;
    std::uint64_t now_ns_ = 0;
};

} // namespace blkcrypto::test
