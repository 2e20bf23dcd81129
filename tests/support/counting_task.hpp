// SPDX-License-Identifier: Apache-2.0
#pragma once
// Work that only says how often it was run.

#include "blkcrypto/base/env.hpp"

namespace blkcrypto::test {

struct counting_task final : task {
    void run(unsigned) noexcept override { ++runs; }
    int runs = 0;
};

struct counting_timer final : timer {
    void run(unsigned) noexcept override { ++runs; }
    int runs = 0;
};

} // namespace blkcrypto::test
