// SPDX-License-Identifier: Apache-2.0
#pragma once
// The main() of every program here: a program is a list of verbs, a verb declares its options and runs. What
// goes wrong is one line on stderr and an exit code (program_error.hpp). Every verb has --help with an
// example. An option with an empty value is refused before the verb runs.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::cli {

class verb {
  public:
    virtual ~verb() = default;

    /// Makes the verb's subcommand (with add_verb()) and binds its options to members. Checks nothing yet.
    virtual CLI::App* add_to(CLI::App& program) = 0;

    /// Called if the verb was chosen. Returns the exit code; may throw program_error.
    virtual int run() = 0;

  protected:
    verb() = default;
    verb(const verb&) = delete;
    verb& operator=(const verb&) = delete;
};

using verb_list = std::vector<std::unique_ptr<verb>>;

/// A subcommand whose --help ends with an example: a command line as typed.
CLI::App* add_verb(CLI::App& program, const std::string& name, const std::string& description,
                   const std::string& example);

/// Runs the verb that the command line asks for; returns what main() should. It also sees to it that the
/// process leaves no core dump (cipher libraries keep key schedules on the heap), that a closed pipe is a
/// write error like any other, and that descriptors 0 to 2 are taken, so that no file becomes one of them.
int run_program(const std::string& name, const std::string& description, const verb_list& verbs, int argc,
                char** argv) noexcept;

} // namespace blkcrypto::cli
