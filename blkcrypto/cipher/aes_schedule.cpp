// SPDX-License-Identifier: Apache-2.0
// Review note: no branch and no address here depends on a key.
#include "blkcrypto/cipher/aes_schedule.hpp"

#include <immintrin.h>

#define BLKCRYPTO_AES [[gnu::target("aes,sse4.1")]]

namespace blkcrypto {
namespace {

BLKCRYPTO_AES __m128i load(const std::byte* from) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

BLKCRYPTO_AES void store(std::array<std::byte, aes_block_bytes>& round_key, __m128i value) noexcept {
    _mm_store_si128(reinterpret_cast<__m128i*>(round_key.data()), value);
}

// Each word of the round key one key before, plus all words before it: w[i] = w[i-n] + w[i-1], n being the
// words of a key, where `last`, in all four words, is what is added to the first.
BLKCRYPTO_AES __m128i next_round_key(__m128i key_before, __m128i last) noexcept {
    key_before = _mm_xor_si128(key_before, _mm_slli_si128(key_before, 4));
    key_before = _mm_xor_si128(key_before, _mm_slli_si128(key_before, 8));
    return _mm_xor_si128(key_before, last);
}

// SubWord(RotWord(w)) + constant for the last word w of a round key. AESENCLAST on four equal columns is
// SubBytes alone, as ShiftRows has nothing to move; AESKEYGENASSIST, which is there for it, is microcode on
// Intel's processors.
BLKCRYPTO_AES __m128i rotated_last(__m128i round_key, int constant) noexcept {
    const __m128i rotated = _mm_shuffle_epi8(round_key, _mm_set1_epi32(0x0c0f0e0d));
    return _mm_aesenclast_si128(rotated, _mm_set1_epi32(constant));
}

BLKCRYPTO_AES __m128i last(__m128i round_key) noexcept {
    return _mm_aesenclast_si128(_mm_shuffle_epi32(round_key, 0xff), _mm_setzero_si128());
}

// Several keys at once: each step waits for the one before it, but not for another key's.
template <std::size_t Keys>
BLKCRYPTO_AES void expand_256(const std::byte* const (&keys)[Keys],
                              aes_256_round_keys* const (&encrypt)[Keys]) noexcept {
    __m128i even[Keys];
    __m128i odd[Keys];
    for (std::size_t i = 0; i < Keys; ++i) {
        even[i] = load(keys[i]);
        odd[i] = load(keys[i] + aes_block_bytes);
        store((*encrypt[i])[0], even[i]);
        store((*encrypt[i])[1], odd[i]);
    }
    int constant = 1;
    for (std::size_t round = 2; round <= aes_256_rounds; round += 2, constant *= 2) {
        for (std::size_t i = 0; i < Keys; ++i) {
            even[i] = next_round_key(even[i], rotated_last(odd[i], constant));
            store((*encrypt[i])[round], even[i]);
        }
        if (round == aes_256_rounds)
            break;
        for (std::size_t i = 0; i < Keys; ++i) {
            odd[i] = next_round_key(odd[i], last(even[i]));
            store((*encrypt[i])[round + 1], odd[i]);
        }
    }
}

template <typename RoundKeys>
BLKCRYPTO_AES void invert(const RoundKeys& encrypt, RoundKeys& decrypt) noexcept {
    constexpr std::size_t rounds = std::tuple_size_v<RoundKeys> - 1;
    decrypt.front() = encrypt.back();
    for (std::size_t round = 1; round < rounds; ++round)
        store(decrypt[round], _mm_aesimc_si128(load(encrypt[rounds - round].data())));
    decrypt.back() = encrypt.front();
}

} // namespace

BLKCRYPTO_AES void expand_aes_128_key(std::span<const std::byte, aes_128_key_bytes> key,
                                      aes_128_round_keys& encrypt) noexcept {
    __m128i round_key = load(key.data());
    store(encrypt[0], round_key);
    int constant = 1;
    for (std::size_t round = 1; round <= aes_128_rounds; ++round) {
        round_key = next_round_key(round_key, rotated_last(round_key, constant));
        store(encrypt[round], round_key);
        constant = constant == 0x80 ? 0x1b : constant * 2; // times x in the field of AES
    }
}

void expand_aes_256_key(std::span<const std::byte, aes_256_key_bytes> key,
                        aes_256_round_keys& encrypt) noexcept {
    expand_256<1>({key.data()}, {&encrypt});
}

void expand_aes_256_keys(std::span<const std::byte, 2 * aes_256_key_bytes> keys, aes_256_round_keys& first,
                         aes_256_round_keys& second) noexcept {
    expand_256<2>({keys.data(), keys.data() + aes_256_key_bytes}, {&first, &second});
}

void invert_aes_128_keys(const aes_128_round_keys& encrypt, aes_128_round_keys& decrypt) noexcept {
    invert(encrypt, decrypt);
}

void invert_aes_256_keys(const aes_256_round_keys& encrypt, aes_256_round_keys& decrypt) noexcept {
    invert(encrypt, decrypt);
}

} // namespace blkcrypto
