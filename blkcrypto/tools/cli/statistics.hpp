// SPDX-License-Identifier: Apache-2.0
#pragma once
// What measurements are summed up by.

#include <vector>

namespace blkcrypto::cli {

/// The value below which `fraction` of them are, 0 to 1; between two values interpolated. `sorted` is not
/// empty.
double quantile_of_sorted(const std::vector<double>& sorted, double fraction);

/// `values` is not empty.
double median_of(std::vector<double> values);

} // namespace blkcrypto::cli
