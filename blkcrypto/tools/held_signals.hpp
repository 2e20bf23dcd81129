// SPDX-License-Identifier: Apache-2.0
#pragma once
// Signals that ask a process to end wait while there is something that it would leave behind half done. Also
// of threads that are started meanwhile, for good: their signals are the main thread's.

#include <csignal>
#include <initializer_list>

namespace blkcrypto::tools {

class held_signals {
  public:
    held_signals() noexcept {
        sigset_t ending;
        sigemptyset(&ending);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP})
            sigaddset(&ending, signal);
        pthread_sigmask(SIG_BLOCK, &ending, &saved_);
    }
    /// Those that have come meanwhile arrive.
    ~held_signals() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }
    held_signals(const held_signals&) = delete;
    held_signals& operator=(const held_signals&) = delete;

  private:
    sigset_t saved_;
};

} // namespace blkcrypto::tools
