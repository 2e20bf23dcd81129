// SPDX-License-Identifier: Apache-2.0
// OpenSSL's functions for AES alone, which it calls deprecated, show round keys.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/cipher/key_secrets.hpp"

#include "blkcrypto/cipher/sm4_sbox.hpp"
#include "tests/reference_crypto/ciphers.hpp"
#include "tests/reference_crypto/xchacha12.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <openssl/aes.h>
#include <openssl/sha.h>

namespace blkcrypto::test {
namespace {

const unsigned char* chars(const std::byte* from) {
    return reinterpret_cast<const unsigned char*>(from);
}

std::span<const std::uint8_t> numbers(bytes_view bytes) {
    return {chars(bytes.data()), bytes.size()};
}

zeroized_bytes copy(bytes_view bytes) {
    return {bytes.begin(), bytes.end()};
}

template <typename Words>
zeroized_bytes bytes_of(const Words& words) {
    return copy(std::as_bytes(std::span(words)));
}

// --- AES ---

zeroized_bytes round_keys(const AES_KEY& key) {
    return copy(std::as_bytes(std::span(key.rd_key)).first((static_cast<std::size_t>(key.rounds) + 1) * 16));
}

zeroized_bytes aes_encrypt_keys(bytes_view key) {
    AES_KEY expanded;
    AES_set_encrypt_key(chars(key.data()), static_cast<int>(8 * key.size()), &expanded);
    return round_keys(expanded);
}

zeroized_bytes aes_decrypt_keys(bytes_view key) {
    AES_KEY expanded;
    AES_set_decrypt_key(chars(key.data()), static_cast<int>(8 * key.size()), &expanded);
    return round_keys(expanded);
}

void aes_encrypt_block(bytes_view key, std::byte* block) {
    AES_KEY expanded;
    AES_set_encrypt_key(chars(key.data()), static_cast<int>(8 * key.size()), &expanded);
    auto* in_place = reinterpret_cast<unsigned char*>(block);
    AES_encrypt(in_place, in_place, &expanded);
}

// --- SM4, after GB/T 32907-2016: 6.2 (T), 7.1 (rounds), 7.3 (round keys) ---

using sm4_words = std::array<std::uint32_t, 4>;

std::uint32_t load_big(const std::byte* from) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 4; ++i)
        word = word << 8 | std::to_integer<std::uint32_t>(from[i]);
    return word;
}

std::uint8_t sm4_sbox(std::uint8_t x) {
    constexpr sm4::affine_map map{0xa74f9e3d7af4e9d3, 0xd3};
    return map(sm4::invert(map(x), 0x1f5));
}

std::uint32_t sm4_tau(std::uint32_t word) {
    std::uint32_t mapped = 0;
    for (unsigned shift = 0; shift < 32; shift += 8)
        mapped |= std::uint32_t{sm4_sbox(static_cast<std::uint8_t>(word >> shift))} << shift;
    return mapped;
}

std::array<std::uint32_t, 32> sm4_round_keys_of(bytes_view key) {
    sm4_words k{0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc};
    for (std::size_t i = 0; i < 4; ++i)
        k[i] ^= load_big(&key[4 * i]);
    std::array<std::uint32_t, 32> keys;
    for (std::uint32_t i = 0; i < 32; ++i) {
        std::uint32_t constant = 0;
        for (std::uint32_t j = 0; j < 4; ++j)
            constant = constant << 8 | ((4 * i + j) * 7 & 0xff);
        const std::uint32_t b = sm4_tau(k[1] ^ k[2] ^ k[3] ^ constant);
        keys[i] = k[0] ^ b ^ std::rotl(b, 13) ^ std::rotl(b, 23);
        k = {k[1], k[2], k[3], keys[i]};
    }
    return keys;
}

void sm4_encrypt_block(bytes_view key, std::byte* block) {
    sm4_words x{load_big(block), load_big(block + 4), load_big(block + 8), load_big(block + 12)};
    for (const std::uint32_t round_key : sm4_round_keys_of(key)) {
        const std::uint32_t b = sm4_tau(x[1] ^ x[2] ^ x[3] ^ round_key);
        const std::uint32_t mixed =
            b ^ std::rotl(b, 2) ^ std::rotl(b, 10) ^ std::rotl(b, 18) ^ std::rotl(b, 24);
        x = {x[1], x[2], x[3], x[0] ^ mixed};
    }
    for (std::size_t i = 0; i < 16; ++i)
        block[i] = static_cast<std::byte>(x[3 - i / 4] >> (24 - i % 4 * 8));
}

// --- what a mode makes of its key ---

std::vector<cipher_secret> aes_xts_secrets(bytes_view key) {
    const auto data_key = key.first(32);
    return {{"key", copy(key), true},
            {"round keys", aes_encrypt_keys(data_key), true},
            {"round keys for decryption", aes_decrypt_keys(data_key), true},
            {"round keys of the tweaks", aes_encrypt_keys(key.last(32)), true}};
}

zeroized_bytes sha256(bytes_view bytes) {
    zeroized_bytes digest(SHA256_DIGEST_LENGTH);
    SHA256(chars(bytes.data()), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
}

std::vector<cipher_secret> essiv_secrets(bytes_view key) {
    const auto iv_key = sha256(key);
    return {{"key", copy(key), true},
            {"round keys", aes_encrypt_keys(key), true},
            {"round keys for decryption", aes_decrypt_keys(key), true},
            {"key of the IVs", iv_key, true},
            {"round keys of the IVs", aes_encrypt_keys(iv_key), true}};
}

std::vector<cipher_secret> sm4_xts_secrets(bytes_view key) {
    auto keys = sm4_round_keys_of(key.first(16));
    const auto encrypt = bytes_of(keys);
    std::ranges::reverse(keys);
    return {{"key", copy(key)},
            {"round keys", encrypt, true},
            {"round keys for decryption", bytes_of(keys), true},
            {"round keys of the tweaks", bytes_of(sm4_round_keys_of(key.last(16))), true}};
}

// A bit of r that is cleared is 0 here (RFC 8439, 2.5).
zeroized_bytes clamped(bytes_view r) {
    auto bytes = copy(r);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i % 4 == 3)
            bytes[i] &= std::byte{0x0f};
        if (i % 4 == 0 && i % 16 != 0)
            bytes[i] &= std::byte{0xfc};
    }
    return bytes;
}

// As vectors want it: words 0 and 1 of all blocks, then words 2 and 3, each word twice.
zeroized_bytes spread_nh_key(bytes_view key) {
    zeroized_bytes spread;
    for (const std::size_t half : {std::size_t{0}, std::size_t{8}})
        for (std::size_t at = half; at < key.size(); at += 16)
            for (const std::size_t word : {at, at, at + 4, at + 4}) {
                const auto bytes = key.subspan(word, 4);
                spread.insert(spread.end(), bytes.begin(), bytes.end());
            }
    return spread;
}

std::vector<cipher_secret> adiantum_secrets(bytes_view key) {
    zeroized_bytes stream(32 + 16 + 16 + 1072);
    reference_crypto::xchacha12_xor(numbers(key), {1},
                                    {reinterpret_cast<std::uint8_t*>(stream.data()), stream.size()});
    const bytes_view derived = stream;
    const auto block_key = derived.first(32);
    const auto r = derived.subspan(32, 32);
    const auto nh = derived.subspan(64);
    const std::array<std::uint8_t, 16> nonce{1};
    return {{"key", copy(key), true},
            {"key of the nonce 1", bytes_of(reference_crypto::hchacha12(numbers(key), nonce))},
            {"AES key", copy(block_key), true},
            {"round keys", aes_encrypt_keys(block_key), true},
            {"round keys for decryption", aes_decrypt_keys(block_key), true},
            {"keys of Poly1305", copy(r)},
            {"keys of Poly1305, clamped", clamped(r), true},
            {"NH key", copy(nh)},
            {"NH key, spread", spread_nh_key(nh), true}};
}

// --- what a call makes of IVs ---

std::array<std::uint8_t, 32> little_endian(const uint256& number) {
    const auto bytes = number.little_endian();
    std::array<std::uint8_t, 32> iv;
    std::memcpy(iv.data(), bytes.data(), iv.size());
    return iv;
}

void encrypt_iv(crypto_mode mode, bytes_view key, std::byte* iv) {
    if (mode == crypto_mode::aes_256_xts)
        return aes_encrypt_block(key.last(32), iv);
    if (mode == crypto_mode::sm4_xts)
        return sm4_encrypt_block(key.last(16), iv);
    aes_encrypt_block(sha256(key), iv);
}

// Of one unit.
zeroized_bytes secret_of_unit(crypto_mode mode, bytes_view key, const uint256& number, bytes_view cipher) {
    const auto iv = little_endian(number);
    if (mode == crypto_mode::adiantum)
        return bytes_of(reference_crypto::hchacha12(
            numbers(key), reference_crypto::adiantum_middle(numbers(key), iv, numbers(cipher))));
    auto block = copy(std::as_bytes(std::span(iv)).first(16));
    encrypt_iv(mode, key, block.data());
    return block;
}

} // namespace

std::vector<cipher_secret> secrets_of_key(crypto_mode mode, bytes_view key) {
    switch (mode) {
    case crypto_mode::aes_256_xts:
        return aes_xts_secrets(key);
    case crypto_mode::aes_128_cbc_essiv:
        return essiv_secrets(key);
    case crypto_mode::adiantum:
        return adiantum_secrets(key);
    case crypto_mode::sm4_xts:
        return sm4_xts_secrets(key);
    case crypto_mode::invalid:
        break;
    }
    return {};
}

cipher_secret secret_of_units(crypto_mode mode, bytes_view key, const iv_sequence& ivs,
                              std::size_t unit_bytes, bytes_view cipher) {
    cipher_secret secret{mode == crypto_mode::adiantum ? "keys of the nonces" : "encrypted IVs", {}};
    iv_sequence next = ivs;
    for (; !cipher.empty(); cipher = cipher.subspan(unit_bytes), next.skip(1)) {
        const auto of_unit = secret_of_unit(mode, key, next.next(), cipher.first(unit_bytes));
        secret.bytes.insert(secret.bytes.end(), of_unit.begin(), of_unit.end());
    }
    return secret;
}

} // namespace blkcrypto::test
