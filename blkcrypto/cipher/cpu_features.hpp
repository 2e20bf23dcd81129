// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the processor and the operating system let this process use, as far as ciphers ask for it. Probed
// once; the ciphers' own code is compiled for these features function by function, so one binary serves every
// processor.
//
// Tests and benchmarks switch features off for a whole process with the environment variable
// BLKCRYPTO_DISABLE_CPU_FEATURES, a list of names: vaes,avx512f. It can take features away and not add any.

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace blkcrypto {

/// Named as in /proc/cpuinfo.
enum class cpu_feature : std::uint8_t {
    ssse3,
    sse4_1,
    aes,
    pclmulqdq,
    avx,
    avx2,
    vaes,
    vpclmulqdq,
    gfni,
    avx512f,
    avx512bw,
    avx512dq,
    avx512vl
};

class cpu_feature_set {
  public:
    constexpr cpu_feature_set() = default;
    constexpr cpu_feature_set(std::initializer_list<cpu_feature> features) {
        for (const auto feature : features)
            add(feature);
    }

    constexpr void add(cpu_feature feature) { bits_ |= bit(feature); }
    constexpr bool contains(cpu_feature feature) const { return (bits_ & bit(feature)) != 0; }
    constexpr bool contains(cpu_feature_set all) const { return (bits_ & all.bits_) == all.bits_; }
    constexpr cpu_feature_set without(cpu_feature_set others) const {
        cpu_feature_set rest;
        rest.bits_ = bits_ & ~others.bits_;
        return rest;
    }
    constexpr cpu_feature_set operator|(cpu_feature_set others) const {
        others.bits_ |= bits_;
        return others;
    }
    constexpr bool operator==(const cpu_feature_set&) const = default;

  private:
    static constexpr std::uint32_t bit(cpu_feature feature) {
        return std::uint32_t{1} << static_cast<unsigned>(feature);
    }
    std::uint32_t bits_ = 0;
};

/// Of this process: none on other architectures than x86-64.
cpu_feature_set cpu_features() noexcept;

/// The features that a list of names, as in the environment variable, stands for; a name that is none is
/// logged, since whoever wrote it believes that something is off.
cpu_feature_set parse_cpu_features(std::string_view names);

} // namespace blkcrypto
