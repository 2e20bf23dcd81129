// SPDX-License-Identifier: Apache-2.0
#pragma once
// Ranks by Zipf's law: of `count` ranks, rank r comes up r^-skew as often as the first. Drawn by
// rejection-inversion (Hörmann and Derflinger 1996): no table, the same time for any count, exact for any
// skew above 0, 1 included.
//
// The same seed draws the same ranks on every machine with IEEE 754 doubles: nothing but + - * / is used
// here, and the logarithm and the exponential are made of these. Those of libm differ in their last digits
// from one version, and one processor, to the next.

#include "bench/seeded.hpp"

namespace blkcrypto::bench {

class zipf_numbers {
  public:
    /// `count` is 1 to 2^32, `skew` above 0.
    zipf_numbers(std::uint64_t count, double skew) noexcept;

    /// From 1 to `count`. One number of `numbers`, rarely more.
    std::uint64_t next(seeded_numbers& numbers) const noexcept;

  private:
    double weight(double rank) const noexcept;
    double area(double rank) const noexcept;
    double rank_at(double area) const noexcept;

    double count_;
    double skew_;
    double area_first_ = 0; // where the first rank's part of the area under the weights begins
    double area_end_ = 0;   // and where the last one's ends
    double sure_ = 0;       // a rank so little above the drawn point needs no further look
};

} // namespace blkcrypto::bench
