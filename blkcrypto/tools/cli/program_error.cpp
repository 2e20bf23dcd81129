// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/program_error.hpp"

#include <cstring>
#include <fmt/format.h>
#include <system_error>

namespace blkcrypto::cli {
namespace {

std::string one_line(std::string_view what, std::string_view why, int errno_value) {
    if (errno_value == 0)
        return fmt::format("{}: {}", what, why);
    return fmt::format("{}: {} ({})", what, why, errno_name(errno_value));
}

} // namespace

program_error::program_error(int exit_code, std::string_view what, std::string_view why, int errno_value)
    : std::runtime_error(one_line(what, why, errno_value)), exit_code_(exit_code) {}

std::string errno_name(int errno_value) {
    const char* name = strerrorname_np(errno_value);
    return name != nullptr ? name : fmt::format("errno {}", errno_value);
}

program_error unusable(std::string_view what, std::string_view why, int errno_value) {
    return {exit_unusable, what, why, errno_value};
}

program_error file_error(int exit_code, std::string_view path, int errno_value) {
    return {exit_code, path, std::generic_category().message(errno_value), errno_value};
}

void fail_to_make(std::string_view path, std::error_code error) {
    if (error == make_error(EEXIST))
        throw program_error(exit_failed, path, "there already; --overwrite replaces it", EEXIST);
    const bool is_medium = error == make_error(ENOSPC) || error == make_error(EIO);
    throw file_error(is_medium ? exit_failed : exit_unusable, path, error.value());
}

} // namespace blkcrypto::cli
