// SPDX-License-Identifier: Apache-2.0
// That the environment variable takes features away is tested with the programs: tests/integration.
#include "blkcrypto/cipher/cpu_features.hpp"

#include "tests/support/logged_lines.hpp"

#include <array>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <string>
#include <string_view>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using enum cpu_feature;

struct named_feature {
    std::string_view name;
    cpu_feature feature;
};

constexpr std::array names{
    named_feature{"ssse3", ssse3},       named_feature{"sse4_1", sse4_1},
    named_feature{"aes", aes},           named_feature{"pclmulqdq", pclmulqdq},
    named_feature{"avx", avx},           named_feature{"avx2", avx2},
    named_feature{"vaes", vaes},         named_feature{"vpclmulqdq", vpclmulqdq},
    named_feature{"avx512f", avx512f},   named_feature{"avx512bw", avx512bw},
    named_feature{"avx512vl", avx512vl},
};

constexpr auto unknown = "there is no CPU feature";

// The first processor's, with a blank on each side.
std::string flags_in_cpuinfo() {
    std::ifstream cpuinfo("/proc/cpuinfo");
    for (std::string line; std::getline(cpuinfo, line);)
        if (line.starts_with("flags"))
            return line + " ";
    return {};
}

} // namespace

TEST_CASE("a set of CPU features has what was added to it") {
    for (const auto& one : names)
        for (const auto& other : names) {
            CAPTURE(std::string(one.name));
            CAPTURE(std::string(other.name));
            const bool same = one.feature == other.feature;
            CHECK(cpu_feature_set{one.feature}.contains(other.feature) == same);
            CHECK(cpu_feature_set{one.feature}.contains(cpu_feature_set{other.feature}) == same);
            cpu_feature_set both{one.feature};
            both.add(other.feature);
            CHECK(both == cpu_feature_set{other.feature, one.feature});
        }
    CHECK_FALSE(cpu_feature_set().contains(aes));
}

TEST_CASE("a set of CPU features contains another if it has all of it") {
    const cpu_feature_set some{aes, avx, vaes};
    CHECK(some.contains(some));
    CHECK(some.contains({aes, vaes}));
    CHECK(some.contains(cpu_feature_set()));
    CHECK(cpu_feature_set().contains(cpu_feature_set()));
    CHECK_FALSE(some.contains({aes, avx512f}));
    CHECK_FALSE(cpu_feature_set().contains(some));
}

TEST_CASE("a set of CPU features without others has the rest") {
    const cpu_feature_set some{aes, avx, vaes};
    CHECK(some.without({vaes}) == cpu_feature_set{aes, avx});
    CHECK(some.without({vaes, avx512f}) == cpu_feature_set{aes, avx});
    CHECK(some.without({avx512f}) == some);
    CHECK(some.without({}) == some);
    CHECK(some.without(some) == cpu_feature_set());
    CHECK(cpu_feature_set().without(some) == cpu_feature_set());
}

TEST_CASE("CPU features have the names of /proc/cpuinfo") {
    const auto before = logged_lines(unknown);
    std::string list;
    cpu_feature_set all;
    for (const auto& [name, feature] : names) {
        CHECK(parse_cpu_features(name) == cpu_feature_set{feature});
        list.append(list.empty() ? "" : ",").append(name);
        all.add(feature);
        CHECK(parse_cpu_features(list) == all);
    }
    CHECK(parse_cpu_features("vaes,aes,vaes") == cpu_feature_set{aes, vaes});
    CHECK(logged_lines(unknown) == before);
}

TEST_CASE("an empty list of CPU features is none of them") {
    const auto before = logged_lines(unknown);
    CHECK(parse_cpu_features("") == cpu_feature_set());
    CHECK(logged_lines(unknown) == before);
}

TEST_CASE("empty items do not hide the other items of a list of CPU features") {
    CHECK(parse_cpu_features(",") == cpu_feature_set());
    CHECK(parse_cpu_features(",,,") == cpu_feature_set());
    CHECK(parse_cpu_features("vaes,") == cpu_feature_set{vaes});
    CHECK(parse_cpu_features(",vaes") == cpu_feature_set{vaes});
    CHECK(parse_cpu_features("aes,,vaes,") == cpu_feature_set{aes, vaes});
    CHECK(logged_lines("''") == 0);
}

TEST_CASE("a name that is no CPU feature is logged, and the others count") {
    CHECK(logged_lines("'vase'") == 0);
    CHECK(parse_cpu_features("aes,vase,avx") == cpu_feature_set{aes, avx});
    CHECK(logged_lines("there is no CPU feature 'vase'") == 1);
    for (const auto almost : {"AES", " aes", "aes ", "avx51", "avx512", "avx512fx", "aes;avx"}) {
        CAPTURE(almost);
        const auto line = std::string(unknown) + " '" + almost + "'";
        CHECK(parse_cpu_features(almost) == cpu_feature_set());
        CHECK(logged_lines(line) == 1);
    }
}

TEST_CASE("the CPU features of a process stay the same") {
    CHECK(cpu_features() == cpu_features());
}

#if defined(__x86_64__)
TEST_CASE("the CPU features are those that the kernel lists, but for disabled ones") {
    const std::string listed = flags_in_cpuinfo();
    if (listed.empty()) {
        MESSAGE("skipped: /proc/cpuinfo lists nothing");
        return;
    }
    const char* disabled = std::getenv("BLKCRYPTO_DISABLE_CPU_FEATURES");
    const auto off = parse_cpu_features(disabled != nullptr ? disabled : "");
    for (const auto& one : names) {
        CAPTURE(std::string(one.name));
        const auto flag = std::string().append(" ").append(one.name).append(" ");
        const bool there = listed.find(flag) != std::string::npos;
        CHECK(cpu_features().contains(one.feature) == (there && !off.contains(one.feature)));
    }
}
#else
TEST_CASE("other processors have none of the CPU features") {
    CHECK(cpu_features() == cpu_feature_set());
}
#endif
