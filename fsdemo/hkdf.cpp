// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/hkdf.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

// EVP has no way to begin at a state that was kept, and allocates for each key.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::size_t digest_bytes = SHA512_DIGEST_LENGTH;
constexpr std::size_t block_bytes = SHA512_CBLOCK;
constexpr std::size_t state_bytes = sizeof(SHA512_CTX::h);
static_assert(secret::capacity >= 2 * state_bytes);

using digest = std::array<std::byte, digest_bytes>;

unsigned char* raw(bytes_span bytes) {
    return reinterpret_cast<unsigned char*>(bytes.data());
}

void update(SHA512_CTX& hash, bytes_view bytes) {
    SHA512_Update(&hash, bytes.data(), bytes.size());
}

// The state after one block whose bytes are all `pad` but for the key in front, added to them.
void hash_padded_key(bytes_view key, std::byte pad, std::byte* state) {
    std::array<std::byte, block_bytes> block;
    block.fill(pad);
    std::ranges::transform(key, block, block.begin(), [](std::byte a, std::byte b) { return a ^ b; });
    SHA512_CTX hash;
    SHA512_Init(&hash);
    update(hash, block);
    std::memcpy(state, hash.h, state_bytes);
}

// Both states of HMAC for a key of at most a block.
void key_hmac(bytes_view key, bytes_span states) {
    hash_padded_key(key, std::byte{0x36}, states.data());
    hash_padded_key(key, std::byte{0x5c}, states.data() + state_bytes);
}

// As if one block had been hashed already.
SHA512_CTX resume(const std::byte* state) {
    SHA512_CTX hash{};
    std::memcpy(hash.h, state, state_bytes);
    hash.Nl = block_bytes * 8;
    hash.md_len = digest_bytes;
    return hash;
}

// From the hash of the inner key and the message to the code.
void finish_hmac(bytes_view states, SHA512_CTX& inner, digest& code) {
    SHA512_Final(raw(code), &inner);
    SHA512_CTX outer = resume(states.data() + state_bytes);
    update(outer, code);
    SHA512_Final(raw(code), &outer);
}

// Leaves its frame and those of SHA-512 to be wiped.
[[gnu::noinline]] void extract(bytes_view key_material, bytes_view salt, bytes_span states) {
    digest code{};
    if (salt.size() > block_bytes) {
        SHA512(reinterpret_cast<const unsigned char*>(salt.data()), salt.size(), raw(code));
        salt = code;
    }
    key_hmac(salt, states);
    SHA512_CTX inner = resume(states.data());
    update(inner, key_material);
    finish_hmac(states, inner, code);
    key_hmac(code, states);
}

// Likewise.
[[gnu::noinline]] void expand_blocks(bytes_view states, std::span<const bytes_view> info, bytes_span out) {
    digest block;
    for (std::byte number{1}; !out.empty(); number = std::byte(std::to_integer<unsigned>(number) + 1)) {
        SHA512_CTX inner = resume(states.data());
        if (number != std::byte{1})
            update(inner, block);
        for (const bytes_view piece : info)
            update(inner, piece);
        update(inner, {&number, 1});
        finish_hmac(states, inner, block);
        const std::size_t taken = std::min(out.size(), block.size());
        std::memcpy(out.data(), block.data(), taken);
        out = out.subspan(taken);
    }
}

// More than extract(), expand_blocks() and what they call take: OpenSSL's widest SHA-512 has 80 rounds of
// expanded message, twice, on a stack that it aligns to 2048 bytes.
constexpr std::size_t stack_bytes = 5120;

} // namespace

result<hkdf_sha512> hkdf_sha512::make(bytes_view key_material, bytes_view salt) {
    auto states = secret::make(2 * state_bytes);
    if (!states.has_value())
        return states.error();
    extract(key_material, salt, states->writable());
    wipe_stack<stack_bytes>();
    wipe_vector_registers();
    return hkdf_sha512(std::move(*states));
}

void hkdf_sha512::expand(std::span<const bytes_view> info, bytes_span out) const noexcept {
    assert(out.size() <= 255 * digest_bytes && states_.size_bytes() == 2 * state_bytes);
    expand_blocks(states_.bytes(), info, out);
    wipe_stack<stack_bytes>();
    wipe_vector_registers();
}

} // namespace blkcrypto::fsdemo
