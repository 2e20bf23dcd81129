// SPDX-License-Identifier: Apache-2.0
#pragma once
// Progress of a long operation, on one line of stderr: percent, rate, time left. Only on a terminal and only
// after the first second; otherwise all of it does nothing. The line is erased at the end. A real clock: no
// part of anything that is replayed.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace blkcrypto::cli {

/// Replaces the line on the terminal, cut at some 250 bytes; nothing erases it. A terminal that is gone is
/// not an error: what the line is about goes on.
void print_live_line(std::string_view text) noexcept;

class progress {
  public:
    /// `total_bytes`: nothing if the end is not known; percent and time left are missing then.
    progress(std::string what, std::optional<std::uint64_t> total_bytes);
    ~progress();
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;

    /// Call as often as is handy; prints a few times a second at most.
    void update(std::uint64_t done_bytes);

  private:
    using clock = std::chrono::steady_clock;

    std::string line(std::uint64_t done_bytes, double seconds) const;

    std::string what_;
    std::optional<std::uint64_t> total_bytes_;
    bool is_terminal_;
    bool is_shown_ = false;
    clock::time_point start_;
    clock::time_point next_print_;
};

} // namespace blkcrypto::cli
