// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/lab/lab_options.hpp"

namespace blkcrypto::bench {

/// Where the options say so, writes which extents round 0 uses, `ios` of each job, one of each in
/// turn, about as they will run: made from the sequence, so that the timed loop knows nothing of it.
/// program_error, as write_key_trace().
void record_trace(const lab_options& options, std::uint64_t ios);

} // namespace blkcrypto::bench
