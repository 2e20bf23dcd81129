// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/aes_cbc_essiv_vector.hpp"
#include "blkcrypto/cipher/unit_cursor.hpp"

#include <algorithm>
#include <immintrin.h>

#define BLKCRYPTO_FEATURES "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq"

namespace blkcrypto {
namespace {

// clang-format off
#include "blkcrypto/cipher/aes_vectors_avx512.inc"
#include "blkcrypto/cipher/wide.inc"
#include "blkcrypto/cipher/wipe_stack.inc"
#include "blkcrypto/cipher/aes_rounds.inc"
#include "blkcrypto/cipher/aes_cbc_essiv_wide.inc"
// clang-format on

} // namespace

const aes_cbc_essiv_kernels aes_cbc_essiv_vaes_avx512{&crypt<cipher_direction::encrypt>,
                                                      &crypt<cipher_direction::decrypt>,
                                                      &run_bare_rounds<aes_128_round_keys>};

} // namespace blkcrypto
