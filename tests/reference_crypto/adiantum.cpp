// SPDX-License-Identifier: Apache-2.0
// Adiantum with XChaCha12, NH, Poly1305 and AES-256, as in Crowley and Biggers, "Adiantum: length-preserving
// encryption for entry-level processors", IACR Transactions on Symmetric Cryptology 2018(4). The block cipher
// is nettle's. Written to be laid beside the paper.
//
// A unit is a bulk (left part) and a last block of 16 bytes (right part). With H the hash of tweak and bulk:
//
//     middle = last block + H(tweak, bulk)
//     middle = AES(middle)
//     bulk   = bulk xor XChaCha12(nonce made of middle)
//     last block = middle - H(tweak, bulk)
#include "tests/reference_crypto/ciphers.hpp"

#include "tests/reference_crypto/poly1305.hpp"
#include "tests/reference_crypto/xchacha12.hpp"

#include <algorithm>
#include <nettle/aes.h>
#include <vector>

namespace reference_crypto {
namespace {

using bytes = std::span<const std::uint8_t>;
using words = std::vector<std::uint32_t>;

constexpr std::size_t block_bytes = 16;
constexpr std::size_t nh_message_bytes = 1024; // NH hashes so much at a time
constexpr std::size_t nh_passes = 4;           // each gives 8 bytes
constexpr std::size_t nh_key_bytes = nh_message_bytes + (nh_passes - 1) * block_bytes;

words words_of(bytes data) {
    words all(data.size() / 4);
    for (std::size_t i = 0; i < all.size(); ++i)
        all[i] = load_le32(data, 4 * i);
    return all;
}

// The keys that Adiantum makes of its key: a stretch of XChaCha12's output under the nonce 1, 0, 0 ..
struct subkeys {
    std::array<std::uint8_t, 32> block_cipher;
    std::array<std::uint8_t, 16> header_poly1305;
    std::array<std::uint8_t, 16> bulk_poly1305;
    words nh;
};

subkeys derive(key_span key) {
    std::array<std::uint8_t, 32 + 16 + 16 + nh_key_bytes> stream{};
    xchacha12_xor(key, {1}, stream);
    subkeys keys;
    std::copy_n(&stream[0], 32, keys.block_cipher.begin());
    std::copy_n(&stream[32], 16, keys.header_poly1305.begin());
    std::copy_n(&stream[48], 16, keys.bulk_poly1305.begin());
    keys.nh = words_of(bytes(stream).subspan(64));
    return keys;
}

// One pass of NH over a message of whole blocks. Each block of four words gives two products of 64 bits.
std::uint64_t nh_pass(std::span<const std::uint32_t> key, std::span<const std::uint32_t> message) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < message.size(); i += 4) {
        const auto *const m = &message[i], *const k = &key[i];
        sum += std::uint64_t{m[0] + k[0]} * (m[2] + k[2]);
        sum += std::uint64_t{m[1] + k[1]} * (m[3] + k[3]);
    }
    return sum;
}

// Of up to 1024 bytes of whole blocks. The key of each pass begins a block after that of the one before.
std::array<std::uint8_t, nh_passes * 8> nh(const words& key, bytes message) {
    const words message_words = words_of(message);
    std::array<std::uint8_t, nh_passes * 8> hash;
    for (std::size_t pass = 0; pass < nh_passes; ++pass) {
        const std::uint64_t sum = nh_pass(std::span(key).subspan(pass * 4), message_words);
        for (std::size_t i = 0; i < 8; ++i)
            hash[8 * pass + i] = static_cast<std::uint8_t>(sum >> (8 * i));
    }
    return hash;
}

// Length of the bulk in bits, then the tweak.
block_number hash_header(bytes key, const iv_array& tweak, std::size_t bulk_bytes) {
    std::array<std::uint8_t, block_bytes> length{};
    for (std::size_t i = 0; i < 8; ++i)
        length[i] = static_cast<std::uint8_t>(std::uint64_t{bulk_bytes} * 8 >> (8 * i));
    poly1305 hash(key);
    hash.add_blocks(length);
    hash.add_blocks(tweak);
    return hash.value();
}

// Poly1305 of the NH hashes of all messages, the last of which is filled up with zeros to a whole block.
block_number hash_bulk(const subkeys& keys, bytes bulk) {
    poly1305 hash(keys.bulk_poly1305);
    for (; bulk.size() >= nh_message_bytes; bulk = bulk.subspan(nh_message_bytes))
        hash.add_blocks(nh(keys.nh, bulk.first(nh_message_bytes)));
    if (!bulk.empty()) {
        std::array<std::uint8_t, nh_message_bytes> message{};
        std::ranges::copy(bulk, message.begin());
        const std::size_t blocks = (bulk.size() + block_bytes - 1) / block_bytes;
        hash.add_blocks(nh(keys.nh, bytes(message).first(blocks * block_bytes)));
    }
    return hash.value();
}

block_number hash(const subkeys& keys, const iv_array& tweak, bytes bulk) {
    return hash_header(keys.header_poly1305, tweak, bulk.size()) + hash_bulk(keys, bulk);
}

// The nonce is the middle block, 1 and zeros.
void xor_stream(key_span key, const block_number& middle, unit_span bulk) {
    std::array<std::uint8_t, xchacha_nonce_bytes> nonce{};
    std::ranges::copy(middle.bytes, nonce.begin());
    nonce[block_bytes] = 1;
    xchacha12_xor(key, nonce, bulk);
}

block_number aes_encrypted(const subkeys& keys, const block_number& in) {
    aes256_ctx schedule;
    aes256_set_encrypt_key(&schedule, keys.block_cipher.data());
    block_number out;
    aes256_encrypt(&schedule, block_bytes, out.bytes.data(), in.bytes.data());
    return out;
}

block_number aes_decrypted(const subkeys& keys, const block_number& in) {
    aes256_ctx schedule;
    aes256_set_decrypt_key(&schedule, keys.block_cipher.data());
    block_number out;
    aes256_decrypt(&schedule, block_bytes, out.bytes.data(), in.bytes.data());
    return out;
}

block_number load(bytes block) {
    block_number number;
    std::ranges::copy(block, number.bytes.begin());
    return number;
}

// Of a unit that has been encrypted.
block_number middle_of(const subkeys& keys, const iv_array& iv, bytes unit) {
    return load(unit.last(block_bytes)) + hash(keys, iv, unit.first(unit.size() - block_bytes));
}

} // namespace

bool adiantum_encrypt(key_span key, const iv_array& iv, unit_span unit) {
    const subkeys keys = derive(key);
    const unit_span bulk = unit.first(unit.size() - block_bytes);
    const unit_span last = unit.last(block_bytes);
    const block_number middle = aes_encrypted(keys, load(last) + hash(keys, iv, bulk));
    xor_stream(key, middle, bulk);
    std::ranges::copy((middle - hash(keys, iv, bulk)).bytes, last.begin());
    return true;
}

bool adiantum_decrypt(key_span key, const iv_array& iv, unit_span unit) {
    const subkeys keys = derive(key);
    const unit_span bulk = unit.first(unit.size() - block_bytes);
    const unit_span last = unit.last(block_bytes);
    const block_number middle = middle_of(keys, iv, unit);
    xor_stream(key, middle, bulk);
    std::ranges::copy((aes_decrypted(keys, middle) - hash(keys, iv, bulk)).bytes, last.begin());
    return true;
}

std::array<std::uint8_t, 16> adiantum_middle(key_span key, const iv_array& iv, bytes unit) {
    return middle_of(derive(key), iv, unit).bytes;
}

} // namespace reference_crypto
