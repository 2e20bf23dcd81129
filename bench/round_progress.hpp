// SPDX-License-Identifier: Apache-2.0
#pragma once
// The live line of the timed rounds, whose length is known in time and not in bytes: percent, subject, rate,
// time left. On a terminal only; erased at the end.

#include <chrono>
#include <cstdint>
#include <string_view>

namespace blkcrypto::bench {

class round_progress {
  public:
    /// `slices` of `slice` each are to come.
    round_progress(unsigned slices, std::chrono::nanoseconds slice);
    ~round_progress();
    round_progress(const round_progress&) = delete;
    round_progress& operator=(const round_progress&) = delete;

    /// `subject` is shown until the next one begins.
    void begin_slice(unsigned round, std::string_view subject);
    void update(std::uint64_t slice_bytes);

  private:
    using clock = std::chrono::steady_clock;

    const bool is_terminal_;
    const std::chrono::duration<double> slice_;
    const unsigned slices_;
    unsigned begun_ = 0;
    unsigned round_ = 0;
    std::string_view subject_;
    clock::time_point slice_start_;
    bool is_shown_ = false;
};

} // namespace blkcrypto::bench
