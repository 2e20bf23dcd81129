// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/adiantum_keys.hpp"

#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/base/units.hpp"

#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace blkcrypto {
namespace {

// clang-format off
#include "blkcrypto/cipher/vectors_portable.inc"
using wide = vectors;
#include "blkcrypto/cipher/chacha12_wide.inc"
// clang-format on

constexpr std::size_t nh_key_bytes = nh_key::blocks * 16;
constexpr std::size_t derived_bytes = adiantum_block_key_bytes + 2 * poly1305_key_bytes + nh_key_bytes;
constexpr std::size_t padded_bytes = (derived_bytes + part_bytes<1> - 1) / part_bytes<1> * part_bytes<1>;

// The keystream from its beginning, under a nonce of a 1 and zeros.
void make_key_stream(const std::array<std::uint32_t, 8>& key,
                     std::array<std::byte, padded_bytes>& stream) noexcept {
    nonce_words nonces{};
    nonces[0][0] = 1;
    subkey_words subkeys;
    make_subkeys(key, nonces, subkeys);
    stream.fill(std::byte{0});
    for (std::size_t at = 0; at < stream.size(); at += part_bytes<1>)
        add_keystream(subkeys,
                      {{stream.data() + at, stream.data() + at, 0,
                        static_cast<std::uint32_t>(at / stream_block_bytes)}},
                      0);
}

void spread_nh_key(const std::byte* bytes, nh_key& key) noexcept {
    for (std::size_t i = 0; i < nh_key::blocks; ++i) {
        const auto word = [&](std::size_t k) { return load_little<std::uint32_t>(bytes + 16 * i + 4 * k); };
        key.words_01[i] = {word(0), word(0), word(1), word(1)};
        key.words_23[i] = {word(2), word(2), word(3), word(3)};
    }
}

[[gnu::noinline]] void derive(const std::byte* key, adiantum_keys& keys, std::byte* block_key) noexcept {
    for (std::size_t i = 0; i < keys.stream.size(); ++i)
        keys.stream[i] = load_little<std::uint32_t>(key + 4 * i);
    std::array<std::byte, padded_bytes> stream;
    make_key_stream(keys.stream, stream);
    const std::byte* next = stream.data();
    std::memcpy(block_key, next, adiantum_block_key_bytes);
    next += adiantum_block_key_bytes;
    keys.header = poly1305_key::clamped(next);
    next += poly1305_key_bytes;
    keys.message = poly1305_key::clamped(next);
    next += poly1305_key_bytes;
    spread_nh_key(next, keys.nh);
}

} // namespace

void derive_adiantum_keys(std::span<const std::byte, adiantum_key_bytes> key, adiantum_keys& keys,
                          std::span<std::byte, adiantum_block_key_bytes> block_key) noexcept {
    derive(key.data(), keys, block_key.data());
    wipe_stack<6144>();
    wipe_vector_registers();
}

} // namespace blkcrypto
