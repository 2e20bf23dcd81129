// SPDX-License-Identifier: Apache-2.0
#pragma once
// What single steps of setting a key up cost, and what the cipher does: alone, again and again, apart from
// any I/O.

#include "bench/lab/lab_image.hpp"
#include "bench/lab/lab_result.hpp"

namespace blkcrypto::bench {

/// Of the first mode, on the calling thread, whose env `e` is; takes a quarter of a second. program_error,
/// exit code 1.
lab_step_costs measure_steps(const lab_options& options, const lab_master_keys& keys, env& e);

} // namespace blkcrypto::bench
