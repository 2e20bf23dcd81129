// SPDX-License-Identifier: Apache-2.0
#pragma once
// The verbs of the program `blkbench` that compare paths, one file each. The others: lab/strategies.hpp.

#include "blkcrypto/tools/cli/program.hpp"

namespace blkcrypto::bench {

/// compare: the plain, inline and fallback path beside each other on image files, and a proof of what they
/// wrote.
std::unique_ptr<cli::verb> make_compare_verb();

/// diff: two stored runs beside each other.
std::unique_ptr<cli::verb> make_diff_verb();

} // namespace blkcrypto::bench
