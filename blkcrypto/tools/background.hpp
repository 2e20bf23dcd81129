// SPDX-License-Identifier: Apache-2.0
#pragma once
// A process that goes on in the background once it has said that it is ready. It is forked early, while it
// has neither threads nor rings nor keys, and shares the terminal with the process that was started until it
// is ready: what it complains about before that is seen, and its exit code is passed on.

#include "blkcrypto/dev/image_file.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace blkcrypto::tools {

class background {
  public:
    /// Both processes return from it. program_error, exit code 1. To be called before there is a thread.
    static background fork();

    /// True in the process that was started.
    bool is_starter() const noexcept { return child_ != 0; }

    // --- In the process that was started ---

    pid_t pid() const noexcept { return child_; }
    /// Waits until the other is ready, and returns what it reports. Nothing if it has ended instead, after
    /// printing why: exit_code() is what it ended with.
    std::optional<std::string> wait_until_ready();
    int exit_code() const noexcept { return exit_code_; }
    /// Lets it go on, and returns once it does. program_error, exit code 1: it has ended instead.
    void confirm();
    /// Has it end instead, and waits for that.
    void refuse() noexcept;

    // --- In the one in the background ---

    /// What is open now is closed when this is ready: the shell's locks and pipes, of whose other ends
    /// somebody may be waiting for the end. Until then an option may name one of them.
    void note_inherited();
    /// Leaves the terminal, the working directory and the standard streams, and then reports `what`, a
    /// line. program_error, exit code 1: nobody waits any more.
    void report_ready(std::string_view what);
    /// Waits for the other process's word: false if that could not make use of the report, or is gone.
    bool is_confirmed();
    /// Lets the other process end.
    void go_on();

  private:
    background(pid_t child, file_descriptor&& other) noexcept : child_(child), other_(std::move(other)) {}
    int wait_for_end();

    pid_t child_;           // 0 in the background
    file_descriptor other_; // a socket that leads to the other process
    int exit_code_ = 0;
    std::vector<int> inherited_; // descriptors
};

} // namespace blkcrypto::tools
