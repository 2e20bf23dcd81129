// SPDX-License-Identifier: Apache-2.0
// Beside what a real kernel wrote: tests/vectors/golden.
#include "tests/cipher/cipher_cases.hpp"
#include "tests/support/fscrypt_hkdf.hpp"
#include "tests/vectors/golden/golden_set.hpp"

#include <algorithm>
#include <openssl/sha.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using vectors::golden_extent;
using vectors::golden_set;

constexpr std::uint64_t units_of_a_set = 142;

/// Runs `body(file's key, extent)`, and sees to it that the set has as much as it should.
template <typename Body>
void for_each_extent(const golden_set& set, Body body) {
    INFO("set ", set.name);
    std::uint64_t bytes = 0;
    for (const auto& file : set.files)
        for (const auto& extent : file.extents) {
            INFO("file ", file.name, ", block ", extent.lblk);
            body(bytes_view(file.key), extent);
            bytes += extent.cipher.size();
        }
    CHECK(bytes == units_of_a_set * set.unit_size_bytes);
}

/// Runs `body(cipher_case&, set)`.
template <typename Body>
void for_each_cipher_of_a_set(Body body) {
    for (const auto& set : vectors::golden_sets()) {
        int ciphers = 0;
        for_each_cipher(1, [&](cipher_case& with) {
            if (find_mode(with.implementation.mode)->name != set.mode)
                return;
            ++ciphers;
            body(with, set);
        });
        CHECK(ciphers != 0);
    }
}

std::vector<std::byte> crypted(cipher_case& with, cipher_direction direction, const golden_extent& extent,
                               std::uint32_t unit_size_bytes) {
    const bytes_view from = direction == cipher_direction::encrypt ? bytes_view(extent.plain) : extent.cipher;
    std::vector<std::byte> data(from.begin(), from.end());
    crypt_in_place(with, direction, extent.first_dun, unit_of(unit_size_bytes), data, with.lane);
    return data;
}

// Unit by unit, the last one first.
std::vector<std::byte> encrypted_one_by_one(cipher_case& with, const golden_extent& extent,
                                            std::uint32_t unit_size_bytes) {
    auto data = extent.plain;
    for (std::size_t unit = data.size() / unit_size_bytes; unit-- > 0;) {
        iv_sequence ivs = extent.first_dun;
        ivs.skip(unit);
        crypt_in_place(with, cipher_direction::encrypt, ivs, unit_of(unit_size_bytes),
                       bytes_span(data).subspan(unit * unit_size_bytes, unit_size_bytes), with.lane);
    }
    return data;
}

} // namespace

TEST_CASE("every implementation encrypts files to what Linux 6.1 wrote, and decrypts that") {
    for_each_cipher_of_a_set([](cipher_case& with, const golden_set& set) {
        for_each_extent(set, [&](bytes_view key, const golden_extent& extent) {
            REQUIRE_FALSE(with.tfm->setkey(key));
            const std::uint32_t unit = set.unit_size_bytes;
            CHECK(same_bytes(crypted(with, cipher_direction::encrypt, extent, unit), extent.cipher));
            CHECK(same_bytes(crypted(with, cipher_direction::decrypt, extent, unit), extent.plain));
            CHECK(same_bytes(encrypted_one_by_one(with, extent, unit), extent.cipher));
        });
    });
}

TEST_CASE("the reference encrypts files to what Linux 6.1 wrote, and decrypts that") {
    for (const auto& set : vectors::golden_sets())
        for_each_extent(set, [&](bytes_view key, const golden_extent& extent) {
            auto data = extent.plain;
            const iv_sequence ivs = extent.first_dun;
            reference_crypt(set.mode, cipher_direction::encrypt, key, ivs, set.unit_size_bytes, data);
            CHECK(same_bytes(data, extent.cipher));
            reference_crypt(set.mode, cipher_direction::decrypt, key, ivs, set.unit_size_bytes, data);
            CHECK(same_bytes(data, extent.plain));
        });
}

TEST_CASE("the golden sets are whole, and of the master key whose identifier the kernel wrote") {
    CHECK(vectors::golden_sets().size() == 3);
    for (const auto& set : vectors::golden_sets()) {
        INFO("set ", set.name);
        std::vector<std::byte> digest(SHA256_DIGEST_LENGTH);
        SHA256(reinterpret_cast<const unsigned char*>(set.bin.data()), set.bin.size(),
               reinterpret_cast<unsigned char*>(digest.data()));
        CHECK(digest == set.bin_sha256);
        CHECK(fscrypt_derive(set.master_key, fscrypt_context::key_identifier, {}, 16) == set.key_identifier);
    }
}
