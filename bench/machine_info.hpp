// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run was measured on, as the report says it.

#include <string>

namespace blkcrypto::bench {

struct machine_info {
    std::string cpu_model;
    std::string kernel;
    unsigned cores = 0;
};
machine_info this_machine();

} // namespace blkcrypto::bench
