// SPDX-License-Identifier: Apache-2.0
#include "tests/cipher/cipher_cases.hpp"
#include "tests/reference_crypto/reference_crypto.hpp"
#include "tests/support/property.hpp"
#include "tests/vectors/aes_256_xts.hpp"

#include <algorithm>
#include <openssl/sha.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

std::vector<std::byte> sha256(bytes_view data) {
    std::vector<std::byte> digest(SHA256_DIGEST_LENGTH);
    SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
}

std::vector<std::byte> plaintext_of(const vectors::aes_256_xts_row& row) {
    return row.plain_is_zeros ? std::vector<std::byte>(row.length_bytes) : counting_bytes(row.length_bytes);
}

bool is_ciphertext_of(const vectors::aes_256_xts_row& row, bytes_view data) {
    return std::ranges::equal(data.first(32), from_hex(row.first_32_hex)) &&
           sha256(data) == from_hex(row.sha256_hex) &&
           (row.last_16_hex == nullptr || std::ranges::equal(data.last(16), from_hex(row.last_16_hex)));
}

void check_row(const vectors::aes_256_xts_row& row) {
    INFO("vector ", std::string(row.name));
    for_each_cipher(1, [&](cipher_case& with) {
        if (with.implementation.mode != crypto_mode::aes_256_xts)
            return;
        REQUIRE_FALSE(with.tfm->setkey(from_hex(row.key_hex)));
        const uint256 iv(row.dun[0], row.dun[1], row.dun[2], row.dun[3]);
        const auto unit = unit_of(row.unit_size_bytes);
        auto data = plaintext_of(row);
        crypt_in_place(with, cipher_direction::encrypt, iv, unit, data, with.lane);
        CHECK(is_ciphertext_of(row, data));
        crypt_in_place(with, cipher_direction::decrypt, iv, unit, data, with.lane);
        CHECK(data == plaintext_of(row));
    });
}

} // namespace

TEST_CASE("AES-256-XTS gives the ciphertext of IEEE 1619") {
    for (const auto& row : vectors::ieee_1619)
        check_row(row);
}

TEST_CASE("AES-256-XTS gives the ciphertext that fscrypt writes") {
    for (const auto& row : vectors::fscrypt)
        check_row(row);
}

TEST_CASE("the IV is the little-endian DUN, of which the cipher takes as many bytes as its IV has" *
          PROPERTY(7)) {
    const auto& last_of_limb = vectors::fscrypt[3];
    const auto& first_of_next = vectors::fscrypt[4];
    for_each_cipher(1, [&](cipher_case& with) {
        if (with.implementation.mode != crypto_mode::aes_256_xts)
            return;
        REQUIRE_FALSE(with.tfm->setkey(from_hex(vectors::kf)));
        auto data = counting_bytes(2 * 4096);
        crypt_in_place(with, cipher_direction::encrypt, last_of_limb.dun[0], unit_of(4096), data, with.lane);
        CHECK(is_ciphertext_of(last_of_limb, bytes_view(data).first(4096)));
        CHECK(is_ciphertext_of(first_of_next, bytes_view(data).last(4096)));
        // XTS has an IV of 16 bytes: the upper two limbs are not in it.
        data = counting_bytes(4096);
        const uint256 with_upper_limbs(last_of_limb.dun[0], 0, 5, 6);
        crypt_in_place(with, cipher_direction::encrypt, with_upper_limbs, unit_of(4096), data, with.lane);
        CHECK(is_ciphertext_of(last_of_limb, data));
    });
}

TEST_CASE("the reference gives the ciphertext of IEEE 1619 as well") {
    for (const auto& row : vectors::ieee_1619) {
        INFO("vector ", std::string(row.name));
        const auto key = from_hex(row.key_hex);
        auto data = plaintext_of(row);
        std::array<std::uint8_t, 32> iv{};
        for (std::size_t i = 0; i < 8; ++i)
            iv[i] = static_cast<std::uint8_t>(row.dun[0] >> (8 * i));
        const std::span key_bytes(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
        const std::span data_bytes(reinterpret_cast<std::uint8_t*>(data.data()), data.size());
        REQUIRE(reference_crypto::encrypt_unit("aes-256-xts", key_bytes, iv, data_bytes));
        CHECK(is_ciphertext_of(row, data));
        REQUIRE(reference_crypto::decrypt_unit("aes-256-xts", key_bytes, iv, data_bytes));
        CHECK(data == plaintext_of(row));
    }
}

// Vectors 2 and 3 of IEEE 1619; the kernel's sm4_xts_tv_template[1] and [2] have the same inputs.
TEST_CASE("the reference gives the published AES-128-XTS and SM4-XTS ciphertext") {
    struct row {
        const char* mode;
        const char* key;
        const char* cipher;
    };
    constexpr auto key_2 = "1111111111111111111111111111111122222222222222222222222222222222";
    constexpr auto key_3 = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222";
    constexpr std::array rows{
        row{"aes-128-xts", key_2, "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"},
        row{"aes-128-xts", key_3, "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89"},
        row{"sm4-xts", key_2, "a74d726c11196a32be04e001ff29d0c7932f9f3ec29bfcb64dd17f63cbd3ea31"},
        row{"sm4-xts", key_3, "7f76088effadf70c02ea9f95da0628d351bfcb9eac0563bcf17b710dab0a9826"}};
    for (const auto& vector : rows) {
        const auto key = from_hex(vector.key);
        std::vector<std::byte> data(32, std::byte{0x44});
        const std::array<std::uint8_t, 32> iv{0x33, 0x33, 0x33, 0x33, 0x33};
        const std::span key_bytes(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
        const std::span data_bytes(reinterpret_cast<std::uint8_t*>(data.data()), data.size());
        REQUIRE(reference_crypto::encrypt_unit(vector.mode, key_bytes, iv, data_bytes));
        CHECK(data == from_hex(vector.cipher));
        REQUIRE(reference_crypto::decrypt_unit(vector.mode, key_bytes, iv, data_bytes));
        CHECK(data == std::vector<std::byte>(32, std::byte{0x44}));
    }
}

TEST_CASE("the reference refuses what it does not know") {
    std::array<std::uint8_t, 64> key{};
    std::array<std::uint8_t, 512> data{};
    CHECK(reference_crypto::supports("aes-256-xts"));
    CHECK_FALSE(reference_crypto::supports("rot13"));
    CHECK_FALSE(reference_crypto::encrypt_unit("rot13", key, {}, data));
    CHECK_FALSE(reference_crypto::encrypt_unit("aes-256-xts", std::span(key).first(32), {}, data));
    CHECK_FALSE(reference_crypto::decrypt_unit("aes-256-xts", key, {}, std::span(data).first(15)));
    CHECK(data == std::array<std::uint8_t, 512>{});
}
