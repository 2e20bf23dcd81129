// SPDX-License-Identifier: Apache-2.0
#include "bench/latency_histogram.hpp"

#include "bench/seeded.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <memory>
#include <vector>

using namespace blkcrypto;
using bench::latency_histogram;

namespace {

bool is_close(std::uint64_t got, std::uint64_t expected) {
    const auto distance = static_cast<double>(std::max(got, expected) - std::min(got, expected));
    return distance * 128 < static_cast<double>(std::max<std::uint64_t>(expected, 1));
}

} // namespace

TEST_CASE("one value is read back less than 1/128 off, from 0 to the greatest") {
    std::vector<std::uint64_t> values{0, 1, 255, 256, 257, std::numeric_limits<std::uint64_t>::max()};
    for (unsigned bit = 1; bit < 64; ++bit)
        for (const int around : {-1, 0, 1})
            values.push_back((std::uint64_t{1} << bit) + static_cast<std::uint64_t>(around));
    for (const std::uint64_t value : values) {
        CAPTURE(value);
        auto histogram = std::make_unique<latency_histogram>();
        histogram->record(value);
        CHECK(is_close(histogram->percentile(0.5), value));
        CHECK(is_close(histogram->percentile(1), value));
    }
}

TEST_CASE("percentiles are those of the sorted values") {
    bench::seeded_numbers numbers(test::test_seed());
    std::vector<std::uint64_t> values;
    auto histogram = std::make_unique<latency_histogram>();
    for (unsigned i = 0; i < 10'000; ++i) {
        values.push_back(numbers.next() >> numbers.below(64));
        histogram->record(values.back());
    }
    std::ranges::sort(values);
    for (const double fraction : {0.0, 0.001, 0.25, 0.5, 0.99, 0.999, 1.0}) {
        CAPTURE(fraction);
        const auto rank = std::max(1.0, std::ceil(fraction * 10'000));
        CHECK(is_close(histogram->percentile(fraction), values[static_cast<std::size_t>(rank) - 1]));
    }
}

TEST_CASE("histograms add up, and an empty one has no latency") {
    auto one = std::make_unique<latency_histogram>();
    auto other = std::make_unique<latency_histogram>();
    CHECK(one->percentile(0.99) == 0);
    one->record(10);
    other->record(100);
    other->record(200);
    *one += *other;
    CHECK(one->total() == 3);
    CHECK(one->percentile(0) == 10);
    CHECK(one->percentile(0.5) == 100);
    CHECK(one->percentile(1) == 200);
}
