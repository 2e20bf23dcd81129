// SPDX-License-Identifier: Apache-2.0
#pragma once
// What happens where the system refuses something is tried in a child process, which alone is refused it.

#include <cerrno>
#include <cstdint>
#include <linux/seccomp.h>
#include <sys/syscall.h>

namespace blkcrypto::test {

/// From now on `action` (SECCOMP_RET_) is what this process gets for a system call.
void restrict_syscall(std::uint32_t number, std::uint32_t action);

/// True if `action` gives true in a child process.
bool holds_in_child(bool (*action)());

} // namespace blkcrypto::test
