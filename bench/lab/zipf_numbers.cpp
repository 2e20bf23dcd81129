// SPDX-License-Identifier: Apache-2.0
// Compiled without contraction of a * b + c into one operation: that rounds differently.
#include "bench/lab/zipf_numbers.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace blkcrypto::bench {
namespace {

constexpr double ln2_high = 0x1.62e42fee00000p-1; // its low bits are 0: times a whole number it is exact
constexpr double ln2_low = 0x1.a39ef35793c76p-33;
constexpr double log2_e = 0x1.71547652b82fep+0;
constexpr unsigned mantissa_bits = 52;
constexpr std::int64_t exponent_bias = 1023;

// The tables' entries, a series each, when this is compiled.
constexpr double exponential_by_series(double value) {
    double sum = 1;
    for (int i = 20; i >= 1; --i)
        sum = 1 + sum * value / i;
    return sum;
}

constexpr double logarithm_by_series(double value) { // 2 atanh((value - 1) / (value + 1))
    const double s = (value - 1) / (value + 1);
    double sum = 0;
    for (int n = 41; n >= 1; n -= 2)
        sum = sum * s * s + 1.0 / n;
    return 2 * s * sum;
}

constexpr unsigned table_bits = 6;
constexpr unsigned table_size = 1U << table_bits;

// 2^(i / 64)
constexpr auto roots_of_two = [] {
    std::array<double, table_size> roots{};
    for (unsigned i = 0; i < table_size; ++i)
        roots[i] = exponential_by_series((ln2_high + ln2_low) * i / table_size);
    return roots;
}();

// One over the middle of each 64th of 1 to 2, but the very 1 for the first, and minus its logarithm.
struct reciprocal {
    double value;
    double log;
};
constexpr auto reciprocals = [] {
    std::array<reciprocal, table_size> made{};
    for (unsigned i = 0; i < table_size; ++i) {
        const double value = i == 0 ? 1 : 1 / (1 + (i + 0.5) / table_size);
        made[i] = {value, -logarithm_by_series(value)};
    }
    return made;
}();

// Of a positive normal number, 2^e * m: log m is the table's, and that of what is next to 1. Within 1e-15.
double natural_log(double value) noexcept {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    constexpr std::uint64_t mantissa_mask = (std::uint64_t{1} << mantissa_bits) - 1;
    constexpr std::uint64_t one = static_cast<std::uint64_t>(exponent_bias) << mantissa_bits;
    const double m = std::bit_cast<double>((bits & mantissa_mask) | one);
    const auto e = static_cast<double>(static_cast<std::int64_t>(bits >> mantissa_bits) - exponent_bias);
    const reciprocal& near = reciprocals[(bits & mantissa_mask) >> (mantissa_bits - table_bits)];
    const double r = m * near.value - 1;
    const double r2 = r * r;
    const double tail = (1.0 / 5 - r * (1.0 / 6)) + r2 * (1.0 / 7 - r * (1.0 / 8));
    const double series = r - r2 * ((1.0 / 2 - r * (1.0 / 3)) + r2 * (1.0 / 4 - r * tail));
    return e * ln2_high + (near.log + (series + e * ln2_low));
}

// 2^(n / 64) times the exponential of what is next to 0. Relative, within 1e-15.
double exponential(double value) noexcept {
    value = std::clamp(value, -700.0, 700.0); // more would be no normal number
    const double scaled = value * (log2_e * table_size);
    const auto n = static_cast<std::int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
    const double parts = static_cast<double>(n) / table_size;
    const double r = (value - parts * ln2_high) - parts * ln2_low;
    const double r2 = r * r;
    const double series =
        r + r2 * ((1.0 / 2 + r * (1.0 / 6)) + r2 * ((1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720)));
    const double root = roots_of_two[static_cast<std::uint64_t>(n) % table_size];
    const auto power = static_cast<std::uint64_t>((n >> table_bits) + exponent_bias) << mantissa_bits;
    return (root + root * series) * std::bit_cast<double>(power);
}

// Below that the quotients that follow lose digits, and a short series has them all.
constexpr double small = 1.0 / 64;

// log(1 + t) / t; t above -1.
double log1p_by(double t) noexcept {
    if (t > small || t < -small)
        return natural_log(1 + t) / t;
    const double t2 = t * t;
    const double tail = (1.0 / 5 - t * (1.0 / 6)) + t2 * (1.0 / 7 - t * (1.0 / 8));
    return (1 - t * (1.0 / 2)) + t2 * ((1.0 / 3 - t * (1.0 / 4)) + t2 * tail);
}

// (e^t - 1) / t
double expm1_by(double t) noexcept {
    if (t > small || t < -small)
        return (exponential(t) - 1) / t;
    const double t2 = t * t;
    const double tail = (1.0 / 120 + t * (1.0 / 720)) + t2 * (1.0 / 5040 + t * (1.0 / 40320));
    return (1 + t * (1.0 / 2)) + t2 * ((1.0 / 6 + t * (1.0 / 24)) + t2 * tail);
}

} // namespace

zipf_numbers::zipf_numbers(std::uint64_t count, double skew) noexcept
    : count_(static_cast<double>(count)), skew_(skew) {
    area_first_ = area(1.5) - 1;
    area_end_ = area(count_ + 0.5);
    sure_ = 2 - rank_at(area(2.5) - weight(2));
}

double zipf_numbers::weight(double rank) const noexcept {
    return exponential(-skew_ * natural_log(rank));
}

// The integral of the weight, from 1 to `rank`.
double zipf_numbers::area(double rank) const noexcept {
    const double log_rank = natural_log(rank);
    return expm1_by((1 - skew_) * log_rank) * log_rank;
}

// The inverse of area(); where rounding leaves none, the last rank.
double zipf_numbers::rank_at(double area) const noexcept {
    const double t = area * (1 - skew_);
    constexpr double none = -1 + 0x1p-50;
    return t <= none ? count_ : exponential(log1p_by(t) * area);
}

std::uint64_t zipf_numbers::next(seeded_numbers& numbers) const noexcept {
    while (true) {
        constexpr double unit = 0x1p-53;
        const double part = static_cast<double>(numbers.next() >> 11) * unit;
        const double at = area_end_ + part * (area_first_ - area_end_);
        const double point = rank_at(at);
        const double nearest = static_cast<double>(static_cast<std::uint64_t>(point + 0.5));
        const double rank = std::clamp(nearest, 1.0, count_);
        if (rank - point <= sure_ || at >= area(rank + 0.5) - weight(rank))
            return static_cast<std::uint64_t>(rank);
    }
}

} // namespace blkcrypto::bench
