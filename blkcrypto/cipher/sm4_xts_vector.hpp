// SPDX-License-Identifier: Apache-2.0
#pragma once
// SM4-XTS by this library's own code, in the widths that processors offer. The tweaks are those of IEEE 1619,
// as in the kernel's xts(sm4); the SM4-XTS of GB/T 17964 has others from the second block on.

#include "blkcrypto/cipher/aes_xts_vector.hpp"
#include "blkcrypto/cipher/sm4_xts_schedule.hpp"

namespace blkcrypto {

using sm4_xts_kernels = schedule_kernels<sm4_xts_schedule>;

/// 128-bit vectors, the S-box by way of AES's, for processors without GFNI.
extern const sm4_xts_kernels sm4_xts_aesni_avx;
inline constexpr cpu_feature_set sm4_xts_aesni_avx_needs = aes_xts_aesni_avx_needs;

/// 256-bit vectors, for processors without AVX-512.
extern const sm4_xts_kernels sm4_xts_gfni_avx2;
inline constexpr cpu_feature_set sm4_xts_gfni_avx2_needs =
    aes_xts_vaes_avx2_needs | cpu_feature_set{cpu_feature::gfni};

/// 512-bit vectors.
extern const sm4_xts_kernels sm4_xts_gfni_avx512;
inline constexpr cpu_feature_set sm4_xts_gfni_avx512_needs =
    aes_xts_vaes_avx512_needs | cpu_feature_set{cpu_feature::gfni};

} // namespace blkcrypto
