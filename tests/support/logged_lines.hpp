// SPDX-License-Identifier: Apache-2.0
#pragma once
// Every line this test program has logged since it started. What is said once per process can only be counted
// over the whole process, whichever case came first.

#include <cstddef>
#include <string_view>

namespace blkcrypto::test {

/// The number of lines that contain `words`.
std::size_t logged_lines(std::string_view words);

} // namespace blkcrypto::test
