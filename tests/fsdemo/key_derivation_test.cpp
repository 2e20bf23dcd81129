// SPDX-License-Identifier: Apache-2.0
// What is derived of the master key 00 .. 3f, as Python's hmac and, of most rows, xfstests'
// fscrypt-crypt-util have it.
#include "fsdemo/key_derivation.hpp"
#include "tests/support/property.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"
#include "tests/vectors/fscrypt_keys.hpp"

#include <set>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

using byte_vector = std::vector<std::byte>;

hkdf_sha512 master_of(bytes_view raw_key) {
    return hkdf_sha512::make(raw_key).value();
}

byte_vector derived(const hkdf_sha512& master, hkdf_context context, bytes_view info, std::size_t size) {
    byte_vector out(size);
    derive(master, context, info, out);
    return out;
}

struct derivation_row {
    hkdf_context context;
    const char* info;
    const char* derived;
};

constexpr auto file_nonce = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";
constexpr auto extent_nonce = "e0e1e2e3e4e5e6e7e8e9eaebecedeeef";
constexpr auto xts_and_uuid = "01303132333435363738393a3b3c3d3e3f";

constexpr std::array rows{
    derivation_row{hkdf_context::key_identifier_for_raw_key, "", "8699c2c53707405da5aba5ae4d8583c0"},
    derivation_row{hkdf_context::per_file_enc_key, file_nonce, vectors::per_file_key},
    derivation_row{hkdf_context::per_file_enc_key, extent_nonce,
                   "33029428494303c88e915d13499bbe70a16726e9dfb2f20ad22277e4f7e2a7f3"
                   "0f4eb64192967613d0ed5d7cbc80c402063e2a90bbe0b7ec213a8ebb2f25dd94"},
    derivation_row{hkdf_context::direct_key, "09", vectors::direct_key},
    derivation_row{hkdf_context::iv_ino_lblk_64_key, xts_and_uuid, vectors::lblk_64_key},
    derivation_row{hkdf_context::dirhash_key, file_nonce, "0e98290b5ae8a5330b118b3edd9c21d1"},
    derivation_row{hkdf_context::iv_ino_lblk_32_key, xts_and_uuid, vectors::lblk_32_key},
    derivation_row{hkdf_context::inode_hash_key, "", "670f76f85d2f3cb8a67e0bba366c1014"},
    // As a context of extents in an older version of the series.
    derivation_row{hkdf_context::key_identifier_for_hw_wrapped, extent_nonce,
                   "f0515bbd0f5aa9179a0ac2008d4e7613e455ccec246dc6809fb4626410c9b1b5"
                   "b74cc28626046f25c70a31fefa84a3166cd4230a9446c686b4ec2a6ff007edf7"},
    derivation_row{hkdf_context::per_extent_enc_key, extent_nonce, vectors::per_extent_key},
    derivation_row{hkdf_context::per_extent_enc_key, extent_nonce, vectors::per_extent_key_32},
    derivation_row{hkdf_context::per_extent_enc_key, extent_nonce, vectors::per_extent_key_16},
};

} // namespace

TEST_CASE("every context derives what the kernel derives") {
    const auto master = master_of(counting_bytes(64));
    for (const auto& row : rows) {
        CAPTURE(static_cast<unsigned>(row.context));
        const auto expected = from_hex(row.derived);
        CHECK(derived(master, row.context, from_hex(row.info), expected.size()) == expected);
    }
}

TEST_CASE("the identifier of a master key is what the kernel says" * PROPERTY(48)) {
    const auto identifier = [](std::size_t key_bytes) {
        return derived(master_of(counting_bytes(key_bytes)), hkdf_context::key_identifier_for_raw_key, {},
                       16);
    };
    CHECK(identifier(64) == from_hex("8699c2c53707405da5aba5ae4d8583c0"));
    CHECK(identifier(32) == from_hex("37d7d76a59400083289c185526730d34"));
    CHECK(identifier(16) == from_hex("7c656a522d30b5d06b3ecb33463b2e3b"));
}

TEST_CASE("the same input derives the same, another context something else, a short key is the beginning of "
          "a long one" *
          PROPERTY(47)) {
    const auto key = random_bytes(64, test_seed());
    const auto info = random_bytes(16, test_seed() + 1);
    const auto master = master_of(key);
    const auto other_instance = master_of(key);
    std::set<std::uint64_t> beginnings;
    for (const auto& context : hkdf_contexts()) {
        const auto whole = derived(master, context.context, info, 200);
        CHECK(derived(other_instance, context.context, info, 200) == whole);
        for (const std::size_t size : {0U, 1U, 16U, 63U, 64U, 65U, 128U, 199U})
            CHECK(derived(master, context.context, info, size) ==
                  byte_vector(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
        beginnings.insert(load_little<std::uint64_t>(whole.data()));
    }
    CHECK(beginnings.size() == hkdf_contexts().size());
}

TEST_CASE("another master key or another info derives something else") {
    const auto master = master_of(counting_bytes(64));
    const auto nonce = from_hex(extent_nonce);
    const auto of = [&](const hkdf_sha512& from, bytes_view info) {
        return derived(from, hkdf_context::per_extent_enc_key, info, 64);
    };
    CHECK(of(master, nonce) != of(master, from_hex(file_nonce)));
    CHECK(of(master, nonce) != of(master, bytes_view(nonce).first(15)));
    CHECK(of(master, nonce) != of(master_of(counting_bytes(63)), nonce));
}

TEST_CASE("the table of contexts is in the order of their values") {
    unsigned value = 0;
    for (const auto& context : hkdf_contexts()) {
        CHECK(static_cast<unsigned>(context.context) == ++value);
        CHECK_FALSE(context.name.empty());
    }
    CHECK(value == 9);
    CHECK(hkdf_contexts()[8].name == "PER_EXTENT_ENC_KEY");
}

TEST_CASE("a master key is as strong as the mode or longer") {
    CHECK(is_valid_master_key_size(32, 32)); // AES-256-XTS, whose own keys have 64 bytes
    CHECK_FALSE(is_valid_master_key_size(31, 32));
    CHECK(is_valid_master_key_size(16, 16));
    CHECK(is_valid_master_key_size(64, 32));
}
