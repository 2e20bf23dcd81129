// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/adiantum_vector.hpp"
#include "blkcrypto/cipher/unit_cursor.hpp"

#include <algorithm>
#include <cstring>
#include <immintrin.h>

#define BLKCRYPTO_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx2,aes"

namespace blkcrypto {
namespace {

// clang-format off
#include "blkcrypto/cipher/vectors_avx512.inc"
using wide = vectors;
#include "blkcrypto/cipher/wipe_stack.inc"
#include "blkcrypto/cipher/chacha12_wide.inc"
#include "blkcrypto/cipher/adiantum_wide.inc"
#include "blkcrypto/cipher/adiantum_aesni.inc"
// clang-format on

} // namespace

const adiantum_kernels adiantum_avx512{&crypt<cipher_direction::encrypt>, &crypt<cipher_direction::decrypt>,
                                       &run_bare_rounds};

} // namespace blkcrypto
