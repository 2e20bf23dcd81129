// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one log sink. What the kernel reports with WARN_ON_ONCE or pr_warn_once is one line here, once per
// once_flag; a program or a test may take the lines somewhere else. Never called with anything secret.

#include <atomic>
#include <string_view>

namespace blkcrypto {

/// Receives whole lines without the newline, from any thread.
using log_sink = void (*)(std::string_view line) noexcept;

/// Replaces the sink (stderr at first) and returns the one before.
log_sink set_log_sink(log_sink sink) noexcept;

void log_warning(std::string_view line) noexcept;

/// A place that warns once per process.
class warn_once {
  public:
    void operator()(std::string_view line) noexcept {
        if (!said_.exchange(true, std::memory_order_relaxed))
            log_warning(line);
    }

  private:
    std::atomic<bool> said_{false};
};

/// Ends the process with one line: an invariant of ours is broken and going on could write plaintext.
[[noreturn]] void fatal(std::string_view what) noexcept;

} // namespace blkcrypto
