// SPDX-License-Identifier: Apache-2.0
#pragma once
// What Adiantum makes of its 32-byte key before it sees data: keys of its two hashes and of its block cipher,
// all of them a keystream of XChaCha12. P. Crowley, E. Biggers, "Adiantum: length-preserving encryption for
// entry-level processors", IACR ToSC 2018(4); the order of the keys is theirs and the kernel's.

#include "blkcrypto/cipher/poly1305.hpp"

#include <array>
#include <span>

namespace blkcrypto {

inline constexpr std::size_t adiantum_key_bytes = 32;
inline constexpr std::size_t adiantum_block_key_bytes = 32; // of AES-256

/// NH hashes up to 1024 bytes four times (passes), each time with the key moved on by a block of 16 bytes. In
/// a block, word 0 is multiplied with word 2 and word 1 with word 3, key added before: so the halves of the
/// key's blocks are apart, each word as the lower half of a 64-bit integer.
struct nh_key {
    static constexpr std::size_t passes = 4;
    static constexpr std::size_t message_bytes = 1024;
    static constexpr std::size_t blocks = message_bytes / 16 + passes - 1;

    using half = std::array<std::uint32_t, 4>; // a word, the same again, the other word, the same again
    std::array<half, blocks> words_01;
    std::array<half, blocks> words_23;
};

struct alignas(64) adiantum_keys {
    std::array<std::uint32_t, 8> stream;
    poly1305_key header;
    poly1305_key message;
    nh_key nh;
};

/// Allocates nothing; leaves nothing of them in registers or on the stack. The caller zeroizes `keys` and
/// `block_key` after use.
void derive_adiantum_keys(std::span<const std::byte, adiantum_key_bytes> key, adiantum_keys& keys,
                          std::span<std::byte, adiantum_block_key_bytes> block_key) noexcept;

} // namespace blkcrypto
