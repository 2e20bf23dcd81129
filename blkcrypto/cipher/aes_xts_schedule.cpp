// SPDX-License-Identifier: Apache-2.0
// Review note: no branch and no address here depends on a key.
#include "blkcrypto/cipher/aes_xts_schedule.hpp"

#include "blkcrypto/base/secret.hpp"

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

// Each word of the round key two before, plus all words before it: w[i] = w[i-8] + w[i-1], where `last`, in
// all four words, is what is added to the first.
BLKCRYPTO_AES __m128i next_round_key(__m128i two_before, __m128i last) noexcept {
    two_before = _mm_xor_si128(two_before, _mm_slli_si128(two_before, 4));
    two_before = _mm_xor_si128(two_before, _mm_slli_si128(two_before, 8));
    return _mm_xor_si128(two_before, last);
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

// Both keys at once: each step waits for the one before it, but not for the other key's.
struct key_pair {
    __m128i data;
    __m128i tweak;
};

BLKCRYPTO_AES void store(aes_xts_schedule& schedule, std::size_t round, const key_pair& keys) noexcept {
    store(schedule.encrypt[round], keys.data);
    store(schedule.tweak[round], keys.tweak);
}

BLKCRYPTO_AES void expand(const std::byte* key, aes_xts_schedule& schedule) noexcept {
    key_pair even{load(key), load(key + 32)};
    key_pair odd{load(key + 16), load(key + 48)};
    store(schedule, 0, even);
    store(schedule, 1, odd);
    int constant = 1;
    for (std::size_t round = 2; round <= aes_256_rounds; round += 2, constant *= 2) {
        even = {next_round_key(even.data, rotated_last(odd.data, constant)),
                next_round_key(even.tweak, rotated_last(odd.tweak, constant))};
        store(schedule, round, even);
        if (round == aes_256_rounds)
            break;
        odd = {next_round_key(odd.data, last(even.data)), next_round_key(odd.tweak, last(even.tweak))};
        store(schedule, round + 1, odd);
    }
}

BLKCRYPTO_AES void invert(const aes_256_round_keys& encrypt, aes_256_round_keys& decrypt) noexcept {
    decrypt.front() = encrypt.back();
    for (std::size_t round = 1; round < aes_256_rounds; ++round)
        store(decrypt[round], _mm_aesimc_si128(load(encrypt[aes_256_rounds - round].data())));
    decrypt.back() = encrypt.front();
}

} // namespace

void expand_aes_xts_key(std::span<const std::byte, aes_256_xts_key_bytes> key,
                        aes_xts_schedule& schedule) noexcept {
    expand(key.data(), schedule);
    invert(schedule.encrypt, schedule.decrypt);
    wipe_vector_registers();
}

} // namespace blkcrypto
