// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/aes_xts_vector.hpp"
#include "blkcrypto/cipher/unit_cursor.hpp"

#include <algorithm>
#include <immintrin.h>

#define BLKCRYPTO_FEATURES "avx,aes,pclmul"

namespace blkcrypto {
namespace {

// clang-format off
#include "blkcrypto/cipher/aes_vectors_avx.inc"
#include "blkcrypto/cipher/wide.inc"
#include "blkcrypto/cipher/wipe_stack.inc"
#include "blkcrypto/cipher/aes_rounds.inc"
#include "blkcrypto/cipher/xts_tweaks.inc"
#include "blkcrypto/cipher/aes_xts_wide.inc"
// clang-format on

} // namespace

const aes_xts_kernels aes_xts_aesni_avx{&crypt<cipher_direction::encrypt>, &crypt<cipher_direction::decrypt>,
                                        &run_bare_rounds<aes_256_round_keys>};

} // namespace blkcrypto
