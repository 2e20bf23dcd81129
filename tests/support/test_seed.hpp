// SPDX-License-Identifier: Apache-2.0
#pragma once
// The seed of a test run: from BLKCRYPTO_TEST_SEED, or random. test_main.cpp prints it when the program
// starts and again with every case that fails, so that any case can be run again as it was.

#include <cstdint>

namespace blkcrypto::test {

/// The same value throughout the process. Derive streams of your own from it: random_source(test_seed() + n).
std::uint64_t test_seed() noexcept;

} // namespace blkcrypto::test
