// SPDX-License-Identifier: Apache-2.0
#pragma once
// Adiantum by this library's own code, in the widths that processors with AES instructions offer.

#include "blkcrypto/cipher/adiantum_schedule.hpp"
#include "blkcrypto/cipher/schedule_tfm.hpp"

namespace blkcrypto {

using adiantum_kernels = schedule_kernels<adiantum_schedule>;

extern const adiantum_kernels adiantum_avx2;
inline constexpr cpu_feature_set adiantum_avx2_needs =
    aes_schedule_needs | cpu_feature_set{cpu_feature::avx, cpu_feature::avx2};

extern const adiantum_kernels adiantum_avx512;
inline constexpr cpu_feature_set adiantum_avx512_needs =
    adiantum_avx2_needs | cpu_feature_set{cpu_feature::avx512f, cpu_feature::avx512bw, cpu_feature::avx512dq,
                                          cpu_feature::avx512vl};

} // namespace blkcrypto
