// SPDX-License-Identifier: Apache-2.0
#pragma once
// The lab: lays the image out, lets every strategy have its turn in every round on the same image, checks
// that they all wrote the same.

#include "bench/lab/lab_options.hpp"
#include "bench/lab/lab_result.hpp"

namespace blkcrypto::bench {

/// program_error: what cannot be created, a mode without an implementation, I/O that failed for another
/// reason than memory. A strategy that stops is in the result.
lab_result run_lab(const lab_options& options);

} // namespace blkcrypto::bench
