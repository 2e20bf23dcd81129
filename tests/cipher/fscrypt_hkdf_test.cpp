// SPDX-License-Identifier: Apache-2.0
// The tests' own key derivation, before anything is derived with it.
#include "tests/support/fscrypt_hkdf.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/vectors/fscrypt_keys.hpp"

#include <array>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

struct hkdf_row {
    std::vector<std::byte> key_material;
    std::vector<std::byte> salt;
    std::vector<std::byte> info;
    const char* derived;
};

std::vector<std::byte> range(unsigned first, unsigned last) {
    std::vector<std::byte> bytes;
    for (unsigned value = first; value <= last; ++value)
        bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

// The inputs of RFC 5869, appendix A, with SHA-512; the outputs are in several suites, of kullo.net first.
const std::array rows{
    hkdf_row{std::vector<std::byte>(22, std::byte{0x0b}), range(0x00, 0x0c), range(0xf0, 0xf9),
             "832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c1481579338da362cb8d9f925d7cb"},
    hkdf_row{
        range(0x00, 0x4f), range(0x60, 0xaf), range(0xb0, 0xff),
        "ce6c97192805b346e6161e821ed165673b84f400a2b514b2fe23d84cd189ddf1b695b48cbd1c8388441137b3ce28f16aa64"
        "ba33ba466b24df6cfcb021ecff235f6a2056ce3af1de44d572097a8505d9e7a93"},
    hkdf_row{std::vector<std::byte>(22, std::byte{0x0b}),
             {},
             {},
             "f5fa02b18298a72a8c23898a8703472c6eb179dc204c03425c970e3b164bf90fff22d04836d0e2343bac"},
    hkdf_row{std::vector<std::byte>(11, std::byte{0x0b}), range(0x00, 0x0c), range(0xf0, 0xf9),
             "7413e8997e020610fbf6823f2ce14bff01875db1ca55f68cfcf3954dc8aff53559bd5e3028b080f7c068"},
    hkdf_row{std::vector<std::byte>(22, std::byte{0x0c}),
             {},
             {},
             "1407d46013d98bc6decefcfee55f0f90b0c7f63d68eb1a80eaf07e953cfc0a3a5240a155d6e4daa965bb"},
};

} // namespace

TEST_CASE("HKDF-SHA512 derives what is published") {
    for (const auto& row : rows) {
        const auto expected = from_hex(row.derived);
        CHECK(hkdf_sha512(row.key_material, row.salt, row.info, expected.size()) == expected);
    }
    CHECK(hkdf_sha512_extract(rows[0].key_material, rows[0].salt) ==
          from_hex("665799823737ded04a88e47e54a5890bb2c3d247c7a4254a8e61350723590a26"
                   "c36238127d8661b88cf80ef802d57e2f7cebcf1e00e083848be19929c61b4237"));
}

TEST_CASE("keys of fscrypt are derived as fs/crypto derives them") {
    const auto master_key = range(0x00, 0x3f);
    const auto derived = [&](fscrypt_context context, const std::vector<std::byte>& info, std::size_t size) {
        return fscrypt_derive(master_key, context, info, size);
    };
    auto xts_and_uuid = range(0x30, 0x3f);
    xts_and_uuid.insert(xts_and_uuid.begin(), std::byte{1});
    CHECK(derived(fscrypt_context::key_identifier, {}, 16) == from_hex("8699c2c53707405da5aba5ae4d8583c0"));
    CHECK(derived(fscrypt_context::per_file_key, range(0xa0, 0xaf), 64) == from_hex(vectors::per_file_key));
    CHECK(derived(fscrypt_context::direct_key, {std::byte{9}}, 32) == from_hex(vectors::direct_key));
    CHECK(derived(fscrypt_context::iv_ino_lblk_64, xts_and_uuid, 64) == from_hex(vectors::lblk_64_key));
    CHECK(derived(fscrypt_context::iv_ino_lblk_32, xts_and_uuid, 64) == from_hex(vectors::lblk_32_key));
    CHECK(derived(fscrypt_context::inode_hash, {}, 16) == from_hex("670f76f85d2f3cb8a67e0bba366c1014"));
    CHECK(derived(fscrypt_context::per_extent_key, range(0xe0, 0xef), 64) ==
          from_hex(vectors::per_extent_key));
    CHECK(derived(fscrypt_context::per_extent_key, range(0xe0, 0xef), 32) ==
          from_hex(vectors::per_extent_key_32));
    CHECK(derived(fscrypt_context::per_extent_key, range(0xe0, 0xef), 16) ==
          from_hex(vectors::per_extent_key_16));
}
