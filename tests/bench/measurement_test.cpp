// SPDX-License-Identifier: Apache-2.0
#include "bench/measurement.hpp"

#include <doctest/doctest.h>
#include <memory>

using namespace blkcrypto;
using namespace blkcrypto::bench;

namespace {

path_measurement measured(path_kind kind, const std::vector<double>& bytes_per_s) {
    path_measurement path;
    path.subject.kind = kind;
    for (const double figure : bytes_per_s)
        path.rounds.push_back({.bytes_per_s = figure});
    return path;
}

} // namespace

TEST_CASE("spread is the median and the quartiles, between values where need be") {
    const auto odd = spread_of({5, 1, 4, 2, 3});
    CHECK(odd.p25 == 2);
    CHECK(odd.median == 3);
    CHECK(odd.p75 == 4);
    CHECK(spread_of({1, 2}).median == doctest::Approx(1.5));
    CHECK(spread_of({7}).p75 == 7);
}

TEST_CASE("a ratio is the median of the ratios within rounds, not the ratio of medians") {
    const auto plain = measured(path_kind::plain, {100, 10, 1});
    const auto fallback = measured(path_kind::fallback, {50, 9, 0.8});
    CHECK(fallback.ratio_to(plain, &round_figures::bytes_per_s).median == doctest::Approx(0.8));
}

TEST_CASE("figures of a slice are per second and per GiB, and a slice without bytes divides by nothing") {
    auto slice = std::make_unique<slice_result>();
    CHECK(figures_of(*slice).host_cpu_s_per_gib == 0);
    slice->bytes = std::uint64_t{2} << 30;
    slice->ios = 100;
    slice->elapsed_ns = 500'000'000;
    slice->host_cpu_ns = 3'000'000'000;
    slice->engine_cpu_ns = 1'000'000'000;
    const auto figures = figures_of(*slice);
    CHECK(figures.bytes_per_s == doctest::Approx(4.0 * (1 << 30)));
    CHECK(figures.iops == doctest::Approx(200));
    CHECK(figures.host_cpu_s_per_gib == doctest::Approx(1.5));
    CHECK(figures.engine_cpu_s_per_gib == doctest::Approx(0.5));
}
