// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names that came from somewhere else - a command line, an image - as text that a terminal only shows.

#include <string>
#include <string_view>

namespace blkcrypto::cli {

/// What is no UTF-8, control characters and those that change the direction of text as \xNN, byte by byte,
/// and a backslash as two.
std::string printable(std::string_view name);

} // namespace blkcrypto::cli
