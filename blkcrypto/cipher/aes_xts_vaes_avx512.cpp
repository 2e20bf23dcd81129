// SPDX-License-Identifier: Apache-2.0
// Vectors of four blocks: VAES and VPCLMULQDQ on 512-bit registers.
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/aes_xts_vector.hpp"

#include <algorithm>
#include <immintrin.h>

#define BLKCRYPTO_TARGET [[gnu::target("avx512f,avx512bw,avx512vl,vaes,vpclmulqdq")]]
#define BLKCRYPTO_WIDE [[gnu::target("avx512f,avx512bw,avx512vl,vaes,vpclmulqdq"), gnu::always_inline]] inline

namespace blkcrypto {
namespace {

struct wide {
    using vec = __m512i;
    static constexpr std::size_t blocks = 4;

    BLKCRYPTO_WIDE static vec load(const void* from) noexcept { return _mm512_loadu_si512(from); }
    BLKCRYPTO_WIDE static void store(void* to, vec v) noexcept { _mm512_storeu_si512(to, v); }
    BLKCRYPTO_WIDE static vec broadcast(const void* block) noexcept {
        // Masked by nothing: the one without a mask has GCC 12 warn of its own header (bug 105593).
        return _mm512_maskz_broadcast_i32x4(0xffff, _mm_load_si128(static_cast<const __m128i*>(block)));
    }
    BLKCRYPTO_WIDE static vec from_words(const std::uint64_t (&w)[blocks][2]) noexcept {
        const auto word = [](std::uint64_t value) { return static_cast<long long>(value); };
        return _mm512_set_epi64(word(w[3][1]), word(w[3][0]), word(w[2][1]), word(w[2][0]), word(w[1][1]),
                                word(w[1][0]), word(w[0][1]), word(w[0][0]));
    }
    BLKCRYPTO_WIDE static vec add(vec a, vec b) noexcept { return _mm512_xor_si512(a, b); }
    BLKCRYPTO_WIDE static vec add(vec a, vec b, vec c) noexcept {
        return _mm512_ternarylogic_epi64(a, b, c, 0x96);
    }
    BLKCRYPTO_WIDE static vec encrypt(vec s, vec key) noexcept { return _mm512_aesenc_epi128(s, key); }
    BLKCRYPTO_WIDE static vec encrypt_last(vec s, vec key) noexcept {
        return _mm512_aesenclast_epi128(s, key);
    }
    BLKCRYPTO_WIDE static vec decrypt(vec s, vec key) noexcept { return _mm512_aesdec_epi128(s, key); }
    BLKCRYPTO_WIDE static vec decrypt_last(vec s, vec key) noexcept {
        return _mm512_aesdeclast_epi128(s, key);
    }
    BLKCRYPTO_WIDE static vec multiply_low_low(vec a, vec b) noexcept {
        return _mm512_clmulepi64_epi128(a, b, 0x00);
    }
    BLKCRYPTO_WIDE static vec multiply_high_low(vec a, vec b) noexcept {
        return _mm512_clmulepi64_epi128(a, b, 0x01);
    }
    template <int Bytes>
    BLKCRYPTO_WIDE static vec shift_left(vec v) noexcept {
        return _mm512_bslli_epi128(v, Bytes);
    }
    template <int Bytes>
    BLKCRYPTO_WIDE static vec shift_right(vec v) noexcept {
        return _mm512_bsrli_epi128(v, Bytes);
    }
    static void wipe_registers() noexcept { wipe_vector_registers(); }
};

#include "blkcrypto/cipher/aes_xts_wide.inc"

} // namespace

const aes_xts_kernels aes_xts_vaes_avx512{&crypt<cipher_direction::encrypt>,
                                          &crypt<cipher_direction::decrypt>, &run_bare_rounds};

} // namespace blkcrypto
