// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the fault walk does to a stack: rounds of bios that are submitted together and drained. A scenario
// knows nothing of faults; what must hold whatever failed is checked by walked_run.

#include "tests/faults/io_stack.hpp"
#include "tests/inline_crypt/scattered_buffer.hpp"

#include <span>

namespace blkcrypto::test {

inline constexpr int plain = -1;

/// One bio. A read is of what an earlier one of the same place wrote under the same key.
struct scenario_io {
    bio_op op;
    std::uint64_t start;
    std::uint32_t size_bytes;
    int key = plain;
    bool fua = false;
    bool preflush = false;
};

enum class between_rounds : std::uint8_t { nothing, evict_keys };

struct io_scenario {
    const char* name;
    std::uint32_t unit_bytes;
    std::vector<std::vector<scenario_io>> rounds;
    between_rounds between = between_rounds::nothing;
    bool one_after_the_other = false; // each bio is submitted by the end_io of the one before
};
std::span<const io_scenario> io_scenarios();

} // namespace blkcrypto::test
