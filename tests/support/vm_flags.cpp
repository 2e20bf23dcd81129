// SPDX-License-Identifier: Apache-2.0
#include "tests/support/vm_flags.hpp"

#include <cstdint>
#include <cstdio>
#include <fstream>

namespace blkcrypto::test {

std::string vm_flags_of(const void* address) {
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    std::ifstream smaps("/proc/self/smaps");
    bool inside = false;
    for (std::string line; std::getline(smaps, line);) {
        std::uintptr_t begin = 0;
        std::uintptr_t end = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2)
            inside = begin <= wanted && wanted < end;
        else if (inside && line.starts_with("VmFlags:"))
            return line + " ";
    }
    return {};
}

} // namespace blkcrypto::test
