// SPDX-License-Identifier: Apache-2.0
#include "tests/cipher/cipher_cases.hpp"
#include "tests/reference_crypto/reference_crypto.hpp"
#include "tests/support/property.hpp"
#include "tests/vectors/adiantum.hpp"
#include "tests/vectors/aes_128_cbc_essiv.hpp"
#include "tests/vectors/aes_128_xts.hpp"
#include "tests/vectors/aes_256_xts.hpp"
#include "tests/vectors/sm4_xts.hpp"

#include <algorithm>
#include <openssl/sha.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using vectors::vector_row;

struct vector_set {
    std::string_view mode; // the reference's name of it
    std::span<const vector_row> published;
    std::span<const vector_row> fscrypt;
};

constexpr std::array sets{
    vector_set{"aes-256-xts", vectors::aes_256_xts_published, vectors::aes_256_xts_fscrypt},
    vector_set{"aes-128-cbc-essiv", vectors::aes_128_cbc_essiv_published, vectors::aes_128_cbc_essiv_fscrypt},
    vector_set{"adiantum", vectors::adiantum_published, vectors::adiantum_fscrypt},
    vector_set{"sm4-xts", vectors::sm4_xts_published, vectors::sm4_xts_fscrypt},
    vector_set{"aes-128-xts", vectors::aes_128_xts_published, {}},
};

const vector_set& set_of(const cipher_case& with) {
    const auto found = std::ranges::find(sets, find_mode(with.implementation.mode)->name, &vector_set::mode);
    REQUIRE(found != sets.end());
    return *found;
}

std::vector<std::byte> sha256(bytes_view data) {
    std::vector<std::byte> digest(SHA256_DIGEST_LENGTH);
    SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
}

std::vector<std::byte> plaintext_of(const vector_row& row) {
    auto plain = counting_bytes(row.length_bytes);
    if (row.plain_hex == nullptr)
        return plain;
    const auto given = from_hex(row.plain_hex);
    for (std::size_t i = 0; i < plain.size(); ++i)
        plain[i] = given[i % given.size()];
    return plain;
}

uint256 dun_of(const vector_row& row) {
    return {row.dun[0], row.dun[1], row.dun[2], row.dun[3]};
}

bool is_ciphertext_of(const vector_row& row, bytes_view data) {
    const auto first = from_hex(row.first_hex);
    return std::ranges::equal(data.first(first.size()), first) &&
           (row.sha256_hex == nullptr ? data.size() == first.size()
                                      : sha256(data) == from_hex(row.sha256_hex)) &&
           (row.last_16_hex == nullptr || std::ranges::equal(data.last(16), from_hex(row.last_16_hex)));
}

// In place, there and back.
void check_units(const vector_row& row, cipher_case& with) {
    const auto unit = unit_of(row.unit_size_bytes);
    auto data = plaintext_of(row);
    crypt_in_place(with, cipher_direction::encrypt, dun_of(row), unit, data, with.lane);
    CHECK(is_ciphertext_of(row, data));
    crypt_in_place(with, cipher_direction::decrypt, dun_of(row), unit, data, with.lane);
    CHECK(data == plaintext_of(row));
}

// The same for a vector that is shorter than a data unit, in a mode whose blocks do not depend on later ones.
void check_beginning(const vector_row& row, cipher_case& with) {
    auto data = random_bytes(data_unit_size::min_bytes, test_seed() + 200);
    const bytes_span beginning = bytes_span(data).first(row.length_bytes);
    std::ranges::copy(plaintext_of(row), beginning.begin());
    crypt_in_place(with, cipher_direction::encrypt, dun_of(row), unit_of(512), data, with.lane);
    CHECK(is_ciphertext_of(row, beginning));
    random_source(test_seed() + 201).fill(bytes_span(data).subspan(row.length_bytes));
    crypt_in_place(with, cipher_direction::decrypt, dun_of(row), unit_of(512), data, with.lane);
    CHECK(std::ranges::equal(beginning, plaintext_of(row)));
}

// False if no data unit can show it: only the reference has such units.
bool check_row(const vector_row& row, cipher_case& with) {
    INFO("vector ", std::string(row.name));
    REQUIRE_FALSE(with.tfm->setkey(from_hex(row.key_hex)));
    const bool is_unit = data_unit_size::make(row.unit_size_bytes).has_value();
    const bool is_beginning = row.length_bytes < 512 && with.implementation.mode != crypto_mode::adiantum;
    if (is_unit)
        check_units(row, with);
    else if (is_beginning)
        check_beginning(row, with);
    return is_unit || is_beginning;
}

void check_rows(std::span<const vector_row> rows, cipher_case& with) {
    CHECK(std::ranges::count_if(rows, [&](const auto& row) { return check_row(row, with); }) != 0);
}

void check_reference(std::string_view mode, const vector_row& row) {
    INFO("vector ", std::string(row.name));
    const auto key = from_hex(row.key_hex);
    auto data = plaintext_of(row);
    reference_crypt(mode, cipher_direction::encrypt, key, dun_of(row), row.unit_size_bytes, data);
    CHECK(is_ciphertext_of(row, data));
    reference_crypt(mode, cipher_direction::decrypt, key, dun_of(row), row.unit_size_bytes, data);
    CHECK(data == plaintext_of(row));
}

// A unit under an IV that has so many bytes in common with `iv`, and differs in the next.
std::vector<std::byte> encrypted_under_like(const cipher_case& with, const uint256& iv,
                                            unsigned bytes_in_common) {
    uint256 other = iv;
    if (bytes_in_common < sizeof(iv.limbs))
        other.limbs[bytes_in_common / 8] ^= std::uint64_t{1} << bytes_in_common % 8 * 8;
    auto data = counting_bytes(512);
    cipher_lane lane(0);
    crypt_in_place(with, cipher_direction::encrypt, other, unit_of(512), data, lane);
    return data;
}

} // namespace

TEST_CASE("every implementation gives the published ciphertext of its mode") {
    for_each_cipher(1, [](cipher_case& with) { check_rows(set_of(with).published, with); });
}

TEST_CASE("every implementation gives the ciphertext that fscrypt writes in its mode") {
    for_each_cipher(1, [](cipher_case& with) { check_rows(set_of(with).fscrypt, with); });
}

TEST_CASE("the reference gives the published ciphertext and that of fscrypt as well") {
    for (const auto& set : sets) {
        for (const auto& row : set.published)
            check_reference(set.mode, row);
        for (const auto& row : set.fscrypt)
            check_reference(set.mode, row);
    }
}

TEST_CASE("the IV is the little-endian DUN, of which the cipher takes as many bytes as its IV has" *
          PROPERTY(7)) {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed() + 202);
        const uint256 iv = random_iv(random);
        const auto expected = encrypted_under_like(with, iv, sizeof(iv.limbs));
        CHECK(expected == reference_ciphertext(with, with.key, iv, unit_of(512), counting_bytes(512)));
        for (unsigned bytes = 0; bytes < sizeof(iv.limbs); ++bytes) {
            CAPTURE(bytes);
            const bool is_in_iv = bytes < find_mode(with.implementation.mode)->iv_size_bytes;
            CHECK((encrypted_under_like(with, iv, bytes) != expected) == is_in_iv);
        }
    });
}

TEST_CASE("the unit after DUN 2^64 - 1 has DUN 2^64 as fscrypt has it") {
    const auto named = [](std::string_view name) {
        return std::ranges::find(vectors::aes_256_xts_fscrypt, name, &vector_row::name);
    };
    const auto* last_of_limb = named("per file, DUN 2^64 - 1");
    const auto* first_of_next = named("per file, DUN 2^64");
    for_each_cipher(1, [&](cipher_case& with) {
        if (with.implementation.mode != crypto_mode::aes_256_xts)
            return;
        REQUIRE_FALSE(with.tfm->setkey(from_hex(vectors::per_file_key)));
        auto data = counting_bytes(2 * 4096);
        crypt_in_place(with, cipher_direction::encrypt, dun_of(*last_of_limb), unit_of(4096), data,
                       with.lane);
        CHECK(is_ciphertext_of(*last_of_limb, bytes_view(data).first(4096)));
        CHECK(is_ciphertext_of(*first_of_next, bytes_view(data).last(4096)));
    });
}

TEST_CASE("the reference refuses what it does not know") {
    std::array<std::uint8_t, 64> key{};
    std::array<std::uint8_t, 512> data{};
    CHECK(reference_crypto::supports("aes-256-xts"));
    CHECK_FALSE(reference_crypto::supports("rot13"));
    CHECK_FALSE(reference_crypto::encrypt_unit("rot13", key, {}, data));
    CHECK_FALSE(reference_crypto::encrypt_unit("aes-256-xts", std::span(key).first(32), {}, data));
    CHECK_FALSE(reference_crypto::decrypt_unit("aes-256-xts", key, {}, std::span(data).first(15)));
    CHECK_FALSE(
        reference_crypto::encrypt_unit("adiantum", std::span(key).first(32), {}, std::span(data).first(15)));
    CHECK_FALSE(reference_crypto::encrypt_unit("aes-128-cbc-essiv", std::span(key).first(16), {},
                                               std::span(data).first(40)));
    CHECK(data == std::array<std::uint8_t, 512>{});
}
