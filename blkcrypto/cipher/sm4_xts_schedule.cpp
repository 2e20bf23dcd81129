// SPDX-License-Identifier: Apache-2.0
// Review note: no branch and no address here depends on a key.
#include "blkcrypto/cipher/sm4_xts_schedule.hpp"

#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/sm4_sbox.hpp"
#include "blkcrypto/cipher/xts_key.hpp"

#include <algorithm>
#include <immintrin.h>

#define BLKCRYPTO_WIDE [[gnu::target("aes,sse4.1"), gnu::always_inline]] inline

namespace blkcrypto {
namespace {

static_assert(sm4::is_sbox_of_sm4());

#include "blkcrypto/cipher/sm4_sbox_aesni.inc"

// FK and CK of the standard. A CK is the bytes (4i + j) * 7 mod 256, j = 0 .. 3, the first one on top.
constexpr std::array<std::uint32_t, 4> family_key{0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc};

constexpr sm4_round_keys make_constant_keys() {
    sm4_round_keys keys{};
    for (std::uint32_t i = 0; i < sm4_rounds; ++i)
        for (std::uint32_t j = 0; j < 4; ++j)
            keys[i] = keys[i] << 8 | ((4 * i + j) * 7 & 0xff);
    return keys;
}
constexpr sm4_round_keys constant_keys = make_constant_keys();

template <int Bits>
BLKCRYPTO_WIDE __m128i rotate_left(__m128i v) noexcept {
    return _mm_or_si128(_mm_slli_epi32(v, Bits), _mm_srli_epi32(v, 32 - Bits));
}

std::uint32_t load_big(const std::byte* from) noexcept {
    return byte_swapped(load_little<std::uint32_t>(from));
}

BLKCRYPTO_WIDE __m128i set_words(std::uint32_t data, std::uint32_t tweak) noexcept {
    return _mm_set_epi32(0, 0, static_cast<int>(tweak), static_cast<int>(data));
}

// Both keys at once: word 0 of a vector belongs to the data's, word 1 to the tweak's.
[[gnu::target("aes,sse4.1"), gnu::noinline]] void
expand(const std::byte* data_key, const std::byte* tweak_key, sm4_xts_schedule& schedule) noexcept {
    __m128i k[4];
    for (std::size_t i = 0; i < 4; ++i)
        k[i] = set_words(load_big(data_key + 4 * i) ^ family_key[i],
                         load_big(tweak_key + 4 * i) ^ family_key[i]);
    for (std::size_t round = 0; round < sm4_rounds; ++round) {
        const __m128i constant = _mm_set1_epi32(static_cast<int>(constant_keys[round]));
        const __m128i s = sm4_sbox(_mm_xor_si128(_mm_xor_si128(k[1], k[2]), _mm_xor_si128(k[3], constant)));
        const __m128i mixed = _mm_xor_si128(s, _mm_xor_si128(rotate_left<13>(s), rotate_left<23>(s)));
        const __m128i next = _mm_xor_si128(k[0], mixed);
        schedule.encrypt[round] = static_cast<std::uint32_t>(_mm_extract_epi32(next, 0));
        schedule.tweak[round] = static_cast<std::uint32_t>(_mm_extract_epi32(next, 1));
        std::copy(k + 1, k + 4, k);
        k[3] = next;
    }
}

} // namespace

std::error_code sm4_xts_schedule::setkey(bytes_view key) noexcept {
    if (const std::error_code refused = check_xts_key(key, sm4_xts_key_bytes); refused)
        return refused;
    expand(key.data(), key.data() + sm4_key_bytes, *this);
    std::ranges::reverse_copy(encrypt, decrypt.begin());
    wipe_stack<1024>();
    wipe_vector_registers();
    return {};
}

} // namespace blkcrypto
