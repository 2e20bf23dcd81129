// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a program says that it cannot go on: an exception that carries the exit code and the text of the one
// line that ends up on stderr, `program: what: why (errno name)`. Thrown anywhere in a verb, caught by
// run_program(). Only programs use it; the layers below return results.

#include "blkcrypto/base/result.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace blkcrypto::cli {

inline constexpr int exit_success = 0;
inline constexpr int exit_failed = 1;   // an I/O, a check or a key failed; or see fail_to_make()
inline constexpr int exit_unusable = 2; // bad usage, or something named on the command line cannot be used

class program_error : public std::runtime_error {
  public:
    /// `what` is the thing the user named (a file, an option). A non-zero `errno_value` adds its name in
    /// brackets.
    program_error(int exit_code, std::string_view what, std::string_view why, int errno_value = 0);

    int exit_code() const noexcept { return exit_code_; }

  private:
    int exit_code_;
};

/// "ENOENT"; "errno 4711" for a number that has no name.
std::string errno_name(int errno_value);

/// Exit code 2: `what` as given cannot be used.
program_error unusable(std::string_view what, std::string_view why, int errno_value = 0);

/// A file operation failed; why is the text of `errno_value`.
program_error file_error(int exit_code, std::string_view path, int errno_value);

/// What was made, or file_error() of why it was not.
template <typename T>
T take(result<T> made, std::string_view what, int exit_code = exit_unusable) {
    if (made.has_error())
        throw file_error(exit_code, what, made.error().value());
    return std::move(*made);
}

/// A file that is to be made new could not be: exit code 2, but 1 where nothing is wrong with what was asked
/// for - there is one already (EEXIST), no room, a broken medium.
[[noreturn]] void fail_to_make(std::string_view path, std::error_code error);

} // namespace blkcrypto::cli
