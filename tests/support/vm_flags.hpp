// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the kernel was told about memory of this process: proc(5), /proc/pid/smaps.

#include <string>

namespace blkcrypto::test {

/// The VmFlags line of the mapping that `address` is in, with a space behind the last flag. " dd ": core
/// dumps leave it out; " lo ": it is locked.
std::string vm_flags_of(const void* address);

} // namespace blkcrypto::test
