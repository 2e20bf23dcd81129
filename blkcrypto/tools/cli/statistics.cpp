// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/statistics.hpp"

#include <algorithm>
#include <cstddef>

namespace blkcrypto::cli {

double quantile_of_sorted(const std::vector<double>& sorted, double fraction) {
    const double place = fraction * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

double median_of(std::vector<double> values) {
    std::ranges::sort(values);
    return quantile_of_sorted(values, 0.5);
}

} // namespace blkcrypto::cli
