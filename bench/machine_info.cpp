// SPDX-License-Identifier: Apache-2.0
#include "bench/machine_info.hpp"

#include <fstream>
#include <sys/utsname.h>
#include <thread>

namespace blkcrypto::bench {
namespace {

std::string cpu_model() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("model name") && line.find(": ") != std::string::npos)
            return line.substr(line.find(": ") + 2);
    return "unknown CPU";
}

} // namespace

machine_info this_machine() {
    utsname system{};
    uname(&system);
    return {cpu_model(), system.release, std::thread::hardware_concurrency()};
}

} // namespace blkcrypto::bench
