// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/cpu_features.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/cipher/name_list.hpp"

#include <algorithm>
#include <array>
#include <stdlib.h> // NOLINT: secure_getenv
#include <string>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace blkcrypto {
namespace {

struct named_feature {
    std::string_view name;
    cpu_feature feature;
};

constexpr std::array names{
    named_feature{"ssse3", cpu_feature::ssse3},       named_feature{"sse4_1", cpu_feature::sse4_1},
    named_feature{"aes", cpu_feature::aes},           named_feature{"pclmulqdq", cpu_feature::pclmulqdq},
    named_feature{"avx", cpu_feature::avx},           named_feature{"avx2", cpu_feature::avx2},
    named_feature{"vaes", cpu_feature::vaes},         named_feature{"vpclmulqdq", cpu_feature::vpclmulqdq},
    named_feature{"gfni", cpu_feature::gfni},         named_feature{"avx512f", cpu_feature::avx512f},
    named_feature{"avx512bw", cpu_feature::avx512bw}, named_feature{"avx512dq", cpu_feature::avx512dq},
    named_feature{"avx512vl", cpu_feature::avx512vl},
};

void say_unknown(std::string_view name) {
    std::string line("BLKCRYPTO_DISABLE_CPU_FEATURES, a list with commas: there is no CPU feature '");
    line.append(name).append("', but");
    for (const auto& known : names)
        line.append(" ").append(known.name);
    log_warning(line);
}

#if defined(__x86_64__)

// CPUID leaves 1 and 7, and what the operating system saves of the registers when it switches tasks (XCR0):
// Intel SDM volume 1, 13.3 and 14.3.
struct cpuid_words {
    unsigned leaf_1_ecx = 0;
    unsigned leaf_7_ebx = 0;
    unsigned leaf_7_ecx = 0;
    bool saves_ymm = false;
    bool saves_zmm = false;
};

unsigned read_xcr0() noexcept {
    unsigned low = 0;
    unsigned high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

cpuid_words read_cpuid() noexcept {
    constexpr unsigned ymm_state = 0x06;
    constexpr unsigned zmm_state = 0xe6;
    cpuid_words words;
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0)
        return words;
    words.leaf_1_ecx = ecx;
    const unsigned saved = (ecx & bit_OSXSAVE) != 0 ? read_xcr0() : 0;
    words.saves_ymm = (saved & ymm_state) == ymm_state;
    words.saves_zmm = (saved & zmm_state) == zmm_state;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
        words.leaf_7_ebx = ebx;
        words.leaf_7_ecx = ecx;
    }
    return words;
}

cpu_feature_set probe() noexcept {
    const cpuid_words words = read_cpuid();
    cpu_feature_set found;
    const auto add_if = [&found](bool there, cpu_feature feature) {
        if (there)
            found.add(feature);
    };
    add_if((words.leaf_1_ecx & bit_SSSE3) != 0, cpu_feature::ssse3);
    add_if((words.leaf_1_ecx & bit_SSE4_1) != 0, cpu_feature::sse4_1);
    add_if((words.leaf_1_ecx & bit_AES) != 0, cpu_feature::aes);
    add_if((words.leaf_1_ecx & bit_PCLMUL) != 0, cpu_feature::pclmulqdq);
    add_if(words.saves_ymm && (words.leaf_1_ecx & bit_AVX) != 0, cpu_feature::avx);
    add_if(words.saves_ymm && (words.leaf_7_ebx & bit_AVX2) != 0, cpu_feature::avx2);
    add_if(words.saves_ymm && (words.leaf_7_ecx & bit_VAES) != 0, cpu_feature::vaes);
    add_if(words.saves_ymm && (words.leaf_7_ecx & bit_VPCLMULQDQ) != 0, cpu_feature::vpclmulqdq);
    add_if((words.leaf_7_ecx & bit_GFNI) != 0, cpu_feature::gfni);
    add_if(words.saves_zmm && (words.leaf_7_ebx & bit_AVX512F) != 0, cpu_feature::avx512f);
    add_if(words.saves_zmm && (words.leaf_7_ebx & bit_AVX512BW) != 0, cpu_feature::avx512bw);
    add_if(words.saves_zmm && (words.leaf_7_ebx & bit_AVX512DQ) != 0, cpu_feature::avx512dq);
    add_if(words.saves_zmm && (words.leaf_7_ebx & bit_AVX512VL) != 0, cpu_feature::avx512vl);
    return found;
}

#else

cpu_feature_set probe() noexcept {
    return {};
}

#endif

} // namespace

cpu_feature_set parse_cpu_features(std::string_view list) {
    cpu_feature_set features;
    for_each_name(list, [&](std::string_view name) {
        const auto known = std::ranges::find(names, name, &named_feature::name);
        if (known != names.end())
            features.add(known->feature);
        else
            say_unknown(name);
    });
    return features;
}

cpu_feature_set cpu_features() noexcept {
    static const cpu_feature_set features = [] {
        const char* disabled = secure_getenv("BLKCRYPTO_DISABLE_CPU_FEATURES");
        return probe().without(disabled != nullptr ? parse_cpu_features(disabled) : cpu_feature_set());
    }();
    return features;
}

} // namespace blkcrypto
