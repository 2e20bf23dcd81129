// SPDX-License-Identifier: Apache-2.0
// Modes that make keys of their key: whoever has those needs no other. As for round keys
// (expanded_key_test.cpp) the claim is made for optimised code without sanitizers.
#include "blkcrypto/base/secret.hpp"
#include "tests/cipher/cipher_cases.hpp"
#include "tests/cipher/parked_thread.hpp"
#include "tests/reference_crypto/xchacha12.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/memory_search.hpp"

#include <openssl/sha.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

// What AES-256 encrypts the IVs with.
std::vector<std::byte> essiv_key(bytes_view key) {
    std::vector<std::byte> digest(SHA256_DIGEST_LENGTH);
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
}

// The keys of AES, of Poly1305 twice and of NH.
std::vector<std::byte> adiantum_keys(bytes_view key) {
    std::vector<std::byte> keys(32 + 16 + 16 + 1072);
    reference_crypto::xchacha12_xor({reinterpret_cast<const std::uint8_t*>(key.data()), key.size()}, {1},
                                    {reinterpret_cast<std::uint8_t*>(keys.data()), keys.size()});
    return keys;
}

// Over what the functions above leave on the stack.
[[gnu::noinline]] void clear_stack() {
    std::array<std::byte, 16384> cleared;
    zeroize(cleared);
}

std::vector<masked_pattern> hidden_pieces(std::vector<std::byte> derived) {
    auto pieces = masked_pieces(derived);
    zeroize(derived);
    clear_stack();
    return pieces;
}

// None: the mode makes no keys of its key.
std::vector<masked_pattern> derived_keys(crypto_mode mode, bytes_view key) {
    if (mode == crypto_mode::aes_128_cbc_essiv)
        return hidden_pieces(essiv_key(key));
    return mode == crypto_mode::adiantum ? hidden_pieces(adiantum_keys(key)) : std::vector<masked_pattern>();
}

void use(cipher_case& with) {
    std::array<std::byte, 3 * 512> data{};
    for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt})
        crypt_in_place(with, direction, 1, unit_of(512), data, with.lane);
}

/// A key for the tfm, and patterns for what the mode makes of it.
struct hidden_key {
    hidden_key(const cipher_case& with, std::uint64_t stream)
        : bytes(random_key(with.implementation, stream)),
          pieces(derived_keys(with.implementation.mode, bytes)) {}

    void set(cipher_case& with) {
        refused = with.tfm->setkey(bytes);
        zeroize(bytes);
    }

    bool is_left() const { return count_in_memory(pieces) != 0; }

    std::vector<std::byte> bytes;
    std::vector<masked_pattern> pieces;
    std::error_code refused;
};

} // namespace

TEST_CASE("nothing is left of the keys that a mode makes of its key after the next setkey, or the tfm") {
    if (!is_optimised || !allocation_counter::available())
        return;
    for_each_cipher(1, [](cipher_case& with) {
        hidden_key first(with, 700), second(with, 701);
        if (first.pieces.empty())
            return;
        const parked_thread first_setter([&] { first.set(with); });
        const parked_thread first_user([&] { use(with); });
        if (is_ours(with))
            CHECK(first.is_left());
        const parked_thread second_setter([&] { second.set(with); });
        const parked_thread second_user([&] { use(with); });
        CHECK_FALSE(first.is_left());
        with.tfm.reset();
        CHECK_FALSE(second.is_left());
        CHECK_FALSE(first.refused);
        CHECK_FALSE(second.refused);
    });
}
