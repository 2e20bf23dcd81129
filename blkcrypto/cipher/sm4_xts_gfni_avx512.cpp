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

#include "blkcrypto/cipher/block_vectors_vaes_avx512.inc"

struct words {
    using vec = wide::vec;
    static constexpr std::size_t chunks = 2; // in flight

    BLKCRYPTO_WIDE static vec broadcast(std::uint32_t word) noexcept {
        return _mm512_set1_epi32(static_cast<int>(word));
    }
    // Of each word.
    BLKCRYPTO_WIDE static vec swap_bytes(vec v) noexcept {
        return _mm512_shuffle_epi8(v, _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203));
    }
    // In each block of the four: word i of vector j becomes word j of vector i.
    BLKCRYPTO_WIDE static void transpose(vec& a, vec& b, vec& c, vec& d) noexcept {
        const vec ab_low = _mm512_unpacklo_epi32(a, b);
        const vec ab_high = _mm512_unpackhi_epi32(a, b);
        const vec cd_low = _mm512_unpacklo_epi32(c, d);
        const vec cd_high = _mm512_unpackhi_epi32(c, d);
        a = _mm512_unpacklo_epi64(ab_low, cd_low);
        b = _mm512_unpackhi_epi64(ab_low, cd_low);
        c = _mm512_unpacklo_epi64(ab_high, cd_high);
        d = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
    // The left rotations of L; those by whole bytes are shuffles.
    BLKCRYPTO_WIDE static vec rotate_2(vec v) noexcept { return _mm512_rol_epi32(v, 2); }
    BLKCRYPTO_WIDE static vec rotate_8(vec v) noexcept {
        return _mm512_shuffle_epi8(v, _mm512_set4_epi32(0x0e0d0c0f, 0x0a09080b, 0x06050407, 0x02010003));
    }
    BLKCRYPTO_WIDE static vec rotate_16(vec v) noexcept {
        return _mm512_shuffle_epi8(v, _mm512_set4_epi32(0x0d0c0f0e, 0x09080b0a, 0x05040706, 0x01000302));
    }
    BLKCRYPTO_WIDE static vec rotate_24(vec v) noexcept {
        return _mm512_shuffle_epi8(v, _mm512_set4_epi32(0x0c0f0e0d, 0x080b0a09, 0x04070605, 0x00030201));
    }
    BLKCRYPTO_WIDE static vec matrix(const sm4::affine_map& map) noexcept {
        return _mm512_set1_epi64(static_cast<long long>(map.matrix));
    }
    BLKCRYPTO_WIDE static vec sbox(vec x) noexcept {
        const vec before =
            _mm512_gf2p8affine_epi64_epi8(x, matrix(sm4::before_inverse), sm4::before_inverse.added);
        return _mm512_gf2p8affineinv_epi64_epi8(before, matrix(sm4::after_inverse), sm4::after_inverse.added);
    }
};

// clang-format off
#include "blkcrypto/cipher/wide.inc"
#include "blkcrypto/cipher/xts_tweaks.inc"
#include "blkcrypto/cipher/sm4_xts_wide.inc"
// clang-format on

} // namespace

const sm4_xts_kernels sm4_xts_gfni_avx512{&crypt<cipher_direction::encrypt>,
                                          &crypt<cipher_direction::decrypt>, &run_bare_rounds};

} // namespace blkcrypto
