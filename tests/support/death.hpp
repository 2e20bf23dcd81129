// SPDX-License-Identifier: Apache-2.0
#pragma once
// What ends the process is tried in a child of its own.

#include <string_view>

namespace blkcrypto::test {

/// True if `action(argument)` ends a child process by abort(), with `words` among what it wrote to stderr.
/// Only for a process that has one thread at the time.
bool aborts_saying(std::string_view words, void (*action)(void*), void* argument = nullptr);

} // namespace blkcrypto::test
