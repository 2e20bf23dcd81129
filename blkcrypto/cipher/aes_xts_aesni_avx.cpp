// SPDX-License-Identifier: Apache-2.0
// Vectors of one block: AES-NI, with the three-operand instructions of AVX.
#include "blkcrypto/cipher/aes_xts_vector.hpp"

#include <algorithm>
#include <immintrin.h>

#define BLKCRYPTO_TARGET [[gnu::target("avx,aes,pclmul")]]
#define BLKCRYPTO_WIDE [[gnu::target("avx,aes,pclmul"), gnu::always_inline]] inline

namespace blkcrypto {
namespace {

struct wide {
    using vec = __m128i;
    static constexpr std::size_t blocks = 1;

    BLKCRYPTO_WIDE static vec load(const void* from) noexcept {
        return _mm_loadu_si128(static_cast<const vec*>(from));
    }
    BLKCRYPTO_WIDE static void store(void* to, vec v) noexcept { _mm_storeu_si128(static_cast<vec*>(to), v); }
    BLKCRYPTO_WIDE static vec broadcast(const void* block) noexcept {
        return _mm_load_si128(static_cast<const vec*>(block));
    }
    BLKCRYPTO_WIDE static vec from_words(const std::uint64_t (&w)[blocks][2]) noexcept {
        const auto word = [](std::uint64_t value) { return static_cast<long long>(value); };
        return _mm_set_epi64x(word(w[0][1]), word(w[0][0]));
    }
    BLKCRYPTO_WIDE static vec add(vec a, vec b) noexcept { return _mm_xor_si128(a, b); }
    BLKCRYPTO_WIDE static vec add(vec a, vec b, vec c) noexcept { return add(add(a, b), c); }
    BLKCRYPTO_WIDE static vec encrypt(vec s, vec key) noexcept { return _mm_aesenc_si128(s, key); }
    BLKCRYPTO_WIDE static vec encrypt_last(vec s, vec key) noexcept { return _mm_aesenclast_si128(s, key); }
    BLKCRYPTO_WIDE static vec decrypt(vec s, vec key) noexcept { return _mm_aesdec_si128(s, key); }
    BLKCRYPTO_WIDE static vec decrypt_last(vec s, vec key) noexcept { return _mm_aesdeclast_si128(s, key); }
    BLKCRYPTO_WIDE static vec multiply_low_low(vec a, vec b) noexcept {
        return _mm_clmulepi64_si128(a, b, 0x00);
    }
    BLKCRYPTO_WIDE static vec multiply_high_low(vec a, vec b) noexcept {
        return _mm_clmulepi64_si128(a, b, 0x01);
    }
    template <int Bytes>
    BLKCRYPTO_WIDE static vec shift_left(vec v) noexcept {
        return _mm_bslli_si128(v, Bytes);
    }
    template <int Bytes>
    BLKCRYPTO_WIDE static vec shift_right(vec v) noexcept {
        return _mm_bsrli_si128(v, Bytes);
    }
    // The other registers of AVX-512 are none of what this code was compiled for.
    BLKCRYPTO_WIDE static void wipe_registers() noexcept { _mm256_zeroall(); }
};

#include "blkcrypto/cipher/aes_xts_wide.inc"

} // namespace

const aes_xts_kernels aes_xts_aesni_avx{&crypt<cipher_direction::encrypt>, &crypt<cipher_direction::decrypt>,
                                        &run_bare_rounds};

} // namespace blkcrypto
