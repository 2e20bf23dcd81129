// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/sm4_sbox.hpp"
#include "blkcrypto/cipher/sm4_xts_vector.hpp"
#include "blkcrypto/cipher/unit_cursor.hpp"

#include <algorithm>
#include <immintrin.h>

#define BLKCRYPTO_FEATURES "avx2,vaes,vpclmulqdq,gfni"

namespace blkcrypto {
namespace {

#include "blkcrypto/cipher/block_vectors_vaes_avx2.inc"

struct words {
    using vec = wide::vec;
    static constexpr std::size_t chunks = 1; // in flight

    BLKCRYPTO_WIDE static vec broadcast(std::uint32_t word) noexcept {
        return _mm256_set1_epi32(static_cast<int>(word));
    }
    // Of each word.
    BLKCRYPTO_WIDE static vec swap_bytes(vec v) noexcept {
        return _mm256_shuffle_epi8(v, _mm256_setr_epi32(0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f,
                                                        0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f));
    }
    // In each block of the four: word i of vector j becomes word j of vector i.
    BLKCRYPTO_WIDE static void transpose(vec& a, vec& b, vec& c, vec& d) noexcept {
        const vec ab_low = _mm256_unpacklo_epi32(a, b);
        const vec ab_high = _mm256_unpackhi_epi32(a, b);
        const vec cd_low = _mm256_unpacklo_epi32(c, d);
        const vec cd_high = _mm256_unpackhi_epi32(c, d);
        a = _mm256_unpacklo_epi64(ab_low, cd_low);
        b = _mm256_unpackhi_epi64(ab_low, cd_low);
        c = _mm256_unpacklo_epi64(ab_high, cd_high);
        d = _mm256_unpackhi_epi64(ab_high, cd_high);
    }
    // The left rotations of L; those by whole bytes are shuffles.
    BLKCRYPTO_WIDE static vec rotate_2(vec v) noexcept {
        return _mm256_or_si256(_mm256_slli_epi32(v, 2), _mm256_srli_epi32(v, 30));
    }
    BLKCRYPTO_WIDE static vec rotate_8(vec v) noexcept {
        return _mm256_shuffle_epi8(v, _mm256_setr_epi32(0x02010003, 0x06050407, 0x0a09080b, 0x0e0d0c0f,
                                                        0x02010003, 0x06050407, 0x0a09080b, 0x0e0d0c0f));
    }
    BLKCRYPTO_WIDE static vec rotate_16(vec v) noexcept {
        return _mm256_shuffle_epi8(v, _mm256_setr_epi32(0x01000302, 0x05040706, 0x09080b0a, 0x0d0c0f0e,
                                                        0x01000302, 0x05040706, 0x09080b0a, 0x0d0c0f0e));
    }
    BLKCRYPTO_WIDE static vec rotate_24(vec v) noexcept {
        return _mm256_shuffle_epi8(v, _mm256_setr_epi32(0x00030201, 0x04070605, 0x080b0a09, 0x0c0f0e0d,
                                                        0x00030201, 0x04070605, 0x080b0a09, 0x0c0f0e0d));
    }
    BLKCRYPTO_WIDE static vec matrix(const sm4::affine_map& map) noexcept {
        return _mm256_set1_epi64x(static_cast<long long>(map.matrix));
    }
    BLKCRYPTO_WIDE static vec sbox(vec x) noexcept {
        const vec before =
            _mm256_gf2p8affine_epi64_epi8(x, matrix(sm4::before_inverse), sm4::before_inverse.added);
        return _mm256_gf2p8affineinv_epi64_epi8(before, matrix(sm4::after_inverse), sm4::after_inverse.added);
    }
};

// clang-format off
#include "blkcrypto/cipher/wide.inc"
#include "blkcrypto/cipher/xts_tweaks.inc"
#include "blkcrypto/cipher/sm4_xts_wide.inc"
// clang-format on

} // namespace

const sm4_xts_kernels sm4_xts_gfni_avx2{&crypt<cipher_direction::encrypt>, &crypt<cipher_direction::decrypt>,
                                        &run_bare_rounds};

} // namespace blkcrypto
