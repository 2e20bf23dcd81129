// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/sm4_sbox.hpp"
#include "blkcrypto/cipher/sm4_xts_vector.hpp"
#include "blkcrypto/cipher/unit_cursor.hpp"

#include <algorithm>
#include <immintrin.h>

#define BLKCRYPTO_FEATURES "avx,aes,pclmul"

namespace blkcrypto {
namespace {

#include "blkcrypto/cipher/aes_vectors_avx.inc"
#include "blkcrypto/cipher/sm4_sbox_aesni.inc"

struct sbox {
    using vec = wide::vec;
    static constexpr std::size_t chunks = 1; // in flight: as registers allow

    BLKCRYPTO_WIDE static vec apply(vec x) noexcept { return sm4_sbox(x); }
};

// clang-format off
#include "blkcrypto/cipher/wide.inc"
#include "blkcrypto/cipher/wipe_stack.inc"
#include "blkcrypto/cipher/xts_tweaks.inc"
#include "blkcrypto/cipher/sm4_xts_wide.inc"
// clang-format on

} // namespace

const sm4_xts_kernels sm4_xts_aesni_avx{&crypt<cipher_direction::encrypt>, &crypt<cipher_direction::decrypt>,
                                        &run_bare_rounds};

} // namespace blkcrypto
