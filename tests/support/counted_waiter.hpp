// SPDX-License-Identifier: Apache-2.0
#pragma once
// A waiter that does nothing but say how often it was woken.

#include "blkcrypto/base/waiter.hpp"

namespace blkcrypto::test {

struct counted_waiter final : waiter {
    explicit counted_waiter(env& e) noexcept : waiter(e) {}
    void run(unsigned) noexcept override { ++wakes; }
    unsigned wakes = 0;
};

} // namespace blkcrypto::test
