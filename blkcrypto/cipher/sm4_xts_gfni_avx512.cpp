// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/sm4_sbox.hpp"
#include "blkcrypto/cipher/sm4_xts_vector.hpp"
#include "blkcrypto/cipher/unit_cursor.hpp"

#include <algorithm>
#include <immintrin.h>

#define BLKCRYPTO_FEATURES "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,gfni"

namespace blkcrypto {
namespace {

#include "blkcrypto/cipher/aes_vectors_avx512.inc"

struct sbox {
    using vec = wide::vec;
    static constexpr std::size_t chunks = 2; // in flight: as registers allow

    BLKCRYPTO_WIDE static vec matrix(const sm4::affine_map& map) noexcept {
        return _mm512_set1_epi64(static_cast<long long>(map.matrix));
    }
    BLKCRYPTO_WIDE static vec apply(vec x) noexcept {
        const vec before =
            _mm512_gf2p8affine_epi64_epi8(x, matrix(sm4::before_inverse), sm4::before_inverse.added);
        return _mm512_gf2p8affineinv_epi64_epi8(before, matrix(sm4::after_inverse), sm4::after_inverse.added);
    }
};

// clang-format off
#include "blkcrypto/cipher/wide.inc"
#include "blkcrypto/cipher/wipe_stack.inc"
#include "blkcrypto/cipher/xts_tweaks.inc"
#include "blkcrypto/cipher/sm4_xts_wide.inc"
// clang-format on

} // namespace

const sm4_xts_kernels sm4_xts_gfni_avx512{&crypt<cipher_direction::encrypt>,
                                          &crypt<cipher_direction::decrypt>, &run_bare_rounds};

} // namespace blkcrypto
