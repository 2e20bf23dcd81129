// SPDX-License-Identifier: Apache-2.0
// Vectors of two blocks: VAES and VPCLMULQDQ on 256-bit registers, of which there are 16: tweaks are in
// memory.
#include "blkcrypto/cipher/aes_xts_vector.hpp"

#include <algorithm>
#include <immintrin.h>

#define BLKCRYPTO_TARGET [[gnu::target("avx2,vaes,vpclmulqdq")]]
#define BLKCRYPTO_WIDE [[gnu::target("avx2,vaes,vpclmulqdq"), gnu::always_inline]] inline

namespace blkcrypto {
namespace {

struct wide {
    using vec = __m256i;
    static constexpr std::size_t blocks = 2;

    BLKCRYPTO_WIDE static vec load(const void* from) noexcept {
        return _mm256_loadu_si256(static_cast<const vec*>(from));
    }
    BLKCRYPTO_WIDE static void store(void* to, vec v) noexcept {
        _mm256_storeu_si256(static_cast<vec*>(to), v);
    }
    BLKCRYPTO_WIDE static vec broadcast(const void* block) noexcept {
        return _mm256_broadcastsi128_si256(_mm_load_si128(static_cast<const __m128i*>(block)));
    }
    BLKCRYPTO_WIDE static vec from_words(const std::uint64_t (&w)[blocks][2]) noexcept {
        const auto word = [](std::uint64_t value) { return static_cast<long long>(value); };
        return _mm256_set_epi64x(word(w[1][1]), word(w[1][0]), word(w[0][1]), word(w[0][0]));
    }
    BLKCRYPTO_WIDE static vec add(vec a, vec b) noexcept { return _mm256_xor_si256(a, b); }
    BLKCRYPTO_WIDE static vec add(vec a, vec b, vec c) noexcept { return add(add(a, b), c); }
    BLKCRYPTO_WIDE static vec encrypt(vec s, vec key) noexcept { return _mm256_aesenc_epi128(s, key); }
    BLKCRYPTO_WIDE static vec encrypt_last(vec s, vec key) noexcept {
        return _mm256_aesenclast_epi128(s, key);
    }
    BLKCRYPTO_WIDE static vec decrypt(vec s, vec key) noexcept { return _mm256_aesdec_epi128(s, key); }
    BLKCRYPTO_WIDE static vec decrypt_last(vec s, vec key) noexcept {
        return _mm256_aesdeclast_epi128(s, key);
    }
    BLKCRYPTO_WIDE static vec multiply_low_low(vec a, vec b) noexcept {
        return _mm256_clmulepi64_epi128(a, b, 0x00);
    }
    BLKCRYPTO_WIDE static vec multiply_high_low(vec a, vec b) noexcept {
        return _mm256_clmulepi64_epi128(a, b, 0x01);
    }
    template <int Bytes>
    BLKCRYPTO_WIDE static vec shift_left(vec v) noexcept {
        return _mm256_bslli_epi128(v, Bytes);
    }
    template <int Bytes>
    BLKCRYPTO_WIDE static vec shift_right(vec v) noexcept {
        return _mm256_bsrli_epi128(v, Bytes);
    }
    // The other registers of AVX-512 are none of what this code was compiled for.
    BLKCRYPTO_WIDE static void wipe_registers() noexcept { _mm256_zeroall(); }
};

#include "blkcrypto/cipher/aes_xts_wide.inc"

} // namespace

const aes_xts_kernels aes_xts_vaes_avx2{&crypt<cipher_direction::encrypt>, &crypt<cipher_direction::decrypt>,
                                        &run_bare_rounds};

} // namespace blkcrypto
