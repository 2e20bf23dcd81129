// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the cases about claims look for in a finding.

#include "tests/bench/made_up_lab.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string_view>

namespace blkcrypto::test {

inline bool says(const bench::claim_finding& finding, std::string_view part) {
    INFO(finding.shows);
    return finding.shows.find(part) != std::string::npos;
}

inline void check_missing(const bench::claim_finding& finding, std::string_view why) {
    CAPTURE(finding.shows);
    CHECK(finding.verdict == bench::claim_verdict::not_shown);
    CHECK(finding.shows == fmt::format("this run does not show it: {}.", why));
}

#define CHECK_SAYS(finding, part)                                                                            \
    do {                                                                                                     \
        CAPTURE((finding).shows);                                                                            \
        CHECK(blkcrypto::test::says(finding, part));                                                         \
    } while (false)

inline constexpr const char* all_of_them = "all";

} // namespace blkcrypto::test
