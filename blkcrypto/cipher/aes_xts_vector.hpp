// SPDX-License-Identifier: Apache-2.0
#pragma once
// AES-256-XTS by this library's own code, in the widths that processors offer.

#include "blkcrypto/cipher/aes_xts_schedule.hpp"
#include "blkcrypto/cipher/schedule_tfm.hpp"

namespace blkcrypto {

using aes_xts_kernels = schedule_kernels<aes_xts_schedule>;

/// 128-bit vectors, for processors without VAES.
extern const aes_xts_kernels aes_xts_aesni_avx;
inline constexpr cpu_feature_set aes_xts_aesni_avx_needs =
    aes_schedule_needs | cpu_feature_set{cpu_feature::pclmulqdq, cpu_feature::avx};

/// 256-bit vectors, for processors without AVX-512.
extern const aes_xts_kernels aes_xts_vaes_avx2;
inline constexpr cpu_feature_set aes_xts_vaes_avx2_needs =
    aes_xts_aesni_avx_needs | cpu_feature_set{cpu_feature::avx2, cpu_feature::vaes, cpu_feature::vpclmulqdq};

/// 512-bit vectors.
extern const aes_xts_kernels aes_xts_vaes_avx512;
inline constexpr cpu_feature_set aes_xts_vaes_avx512_needs =
    aes_xts_vaes_avx2_needs |
    cpu_feature_set{cpu_feature::avx512f, cpu_feature::avx512bw, cpu_feature::avx512vl};

} // namespace blkcrypto
