// SPDX-License-Identifier: Apache-2.0
#pragma once
// AES-128-CBC-ESSIV by this library's own code, in the widths that processors offer.

#include "blkcrypto/cipher/aes_cbc_essiv_schedule.hpp"
#include "blkcrypto/cipher/aes_xts_vector.hpp"

namespace blkcrypto {

using aes_cbc_essiv_kernels = schedule_kernels<aes_cbc_essiv_schedule>;

// The vectors, and what they need, are those of AES-XTS.

extern const aes_cbc_essiv_kernels aes_cbc_essiv_aesni_avx;
extern const aes_cbc_essiv_kernels aes_cbc_essiv_vaes_avx2;
extern const aes_cbc_essiv_kernels aes_cbc_essiv_vaes_avx512;

} // namespace blkcrypto
