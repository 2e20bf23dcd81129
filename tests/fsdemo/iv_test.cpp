// SPDX-License-Identifier: Apache-2.0
// From a master key to ciphertext: as xfstests' fscrypt-crypt-util and OpenSSL have it. The inode is
// 0xabcdef, its hash 0xe3bdfcf4.
#include "blkcrypto/cipher/skcipher.hpp"
#include "fsdemo/iv.hpp"
#include "fsdemo/key_derivation.hpp"
#include "tests/support/property.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <openssl/sha.h>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

using byte_vector = std::vector<std::byte>;

constexpr std::uint32_t inode = 0xabcdef;
constexpr std::uint32_t hashed_inode = 0xe3bdfcf4;

crypto_nonce counting_nonce(unsigned first) {
    crypto_nonce nonce;
    for (auto& byte : nonce)
        byte = static_cast<std::byte>(first++);
    return nonce;
}

iv_source source_of(iv_flavour flavour) {
    return {flavour, counting_nonce(0xa0), inode, hashed_inode};
}

data_unit_size unit_of(std::uint32_t bytes) {
    return data_unit_size::make(bytes).value();
}

// A mode number and the UUID of the filesystem, 30 .. 3f; of DIRECT_KEY the mode alone.
byte_vector mode_info(fscrypt_mode mode, bool has_uuid) {
    byte_vector info{static_cast<std::byte>(mode)};
    if (has_uuid)
        std::ranges::copy(counting_nonce(0x30), std::back_inserter(info));
    return info;
}

byte_vector info_of(hkdf_context context, fscrypt_mode mode) {
    if (context == hkdf_context::per_file_enc_key || context == hkdf_context::per_extent_enc_key) {
        const auto nonce = counting_nonce(context == hkdf_context::per_file_enc_key ? 0xa0 : 0xe0);
        return {nonce.begin(), nonce.end()};
    }
    return mode_info(mode, context != hkdf_context::direct_key);
}

struct composite_row {
    fscrypt_mode mode;
    hkdf_context context;
    iv_flavour flavour;
    std::uint64_t offset_bytes; // in the file, or the extent
    std::uint32_t unit_bytes;
    const char* first_hex; // of the ciphertext of 00 01 .. ff 00 .., 4096 bytes
    const char* sha256_hex;
};

byte_vector ciphertext(const composite_row& row) {
    const auto block = block_mode(row.mode);
    byte_vector key(find_mode(block)->key_size_bytes);
    derive(hkdf_sha512::make(counting_bytes(64)).value(), row.context, info_of(row.context, row.mode), key);
    const auto tfm = make_skcipher(block, 1).value();
    REQUIRE_FALSE(tfm->setkey(key));
    const auto unit = unit_of(row.unit_bytes);
    const auto first = generate_dun(source_of(row.flavour), unit_index(row.offset_bytes, unit));
    auto data = counting_bytes(4096);
    const cipher_segment in_place{data.data(), data.data(), data.size()};
    cipher_lane lane(0);
    tfm->crypt(cipher_direction::encrypt, first.value(), unit, {&in_place, 1}, lane);
    return data;
}

byte_vector sha256(bytes_view data) {
    byte_vector digest(SHA256_DIGEST_LENGTH);
    SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
}

using enum fscrypt_mode;
constexpr auto file = hkdf_context::per_file_enc_key;
constexpr auto extent = hkdf_context::per_extent_enc_key;
constexpr auto lblk_64 = hkdf_context::iv_ino_lblk_64_key;
constexpr auto lblk_32 = hkdf_context::iv_ino_lblk_32_key;

const std::array composite_rows{
    composite_row{aes_256_xts, file, iv_flavour::per_file, 0, 4096,
                  "369eff698e62ac783e7dde3fb6e9cc76d7bb93594c85f6ee8bacbc465f01bed9",
                  "c31ee011bed1d6a455c7f24042d633029aebfddebefd46e8c996fe95db574ce9"},
    composite_row{aes_256_xts, file, iv_flavour::per_file, 4096, 4096,
                  "06336dccf9e24c1362a842492d8b1199e5d3a194369d95e6161a11b888894be6",
                  "f4e8c8dc676debab4629a2c15f1a86c4c3b63a1ee25bffd37e5165aac2fe425a"},
    composite_row{aes_256_xts, file, iv_flavour::per_file, std::uint64_t{1} << 44, 4096,
                  "c19d4a9bb1737bb54cadc356e802028c694174b77f8cefc191869712a3863d73",
                  "acfd51111047a29c7ffba6706ff626e00ed0bf6a964943dc6a743ee29882b479"},
    composite_row{aes_256_xts, extent, iv_flavour::per_file, 0, 4096,
                  "3a1c88c8a790ac654927d912beee86479b5f3eb5791cdbcc46464a211803e7f6",
                  "6d6fb32341d4896d8f11880f5f4537643d64e95c233dae084a0a656e2881cd13"},
    composite_row{aes_256_xts, extent, iv_flavour::per_file, 4096, 4096,
                  "041961d1f7ff3798e4cf0262f291fa5409422ad9525f82dd7030bd6cce862a3e",
                  "c6281b7545c8def1b1920e28df71934a68054a2daddb5ab85c6aa2406cff84bc"},
    composite_row{aes_256_xts, extent, iv_flavour::per_file, 7 * 4096 + 4095, 4096,
                  "5387b900720d9cc4cde35ac35876ee599810b916e87a7c6cd91e45cf7bd3f622",
                  "7544bdf45369ba56d5e2acfb20ebc3576797695d4e3c3218cdfdd422648f960e"},
    composite_row{aes_256_xts, extent, iv_flavour::per_file, 0, 512,
                  "3a1c88c8a790ac654927d912beee86479b5f3eb5791cdbcc46464a211803e7f6",
                  "98aef2f37faccb2030bdfa088fb256209c03d66c6d773759db9f35437c9008a3"},
    composite_row{aes_128_cbc, extent, iv_flavour::per_file, 0, 4096,
                  "dfc1b7681369b5638308a677021952a7cfa75bf532491db2f73f3e65d8d4bedb",
                  "dce36c339f8af6c2b1822de65c9d1063f5aa9f5274398e8b79c6f9a61e40a25b"},
    composite_row{aes_128_cbc, extent, iv_flavour::per_file, 4096, 4096,
                  "e7dfb4703ec62a478cd96c21d9879b00b5bd978015bdee54a8ec43e72d9b49cb",
                  "c15b6aeabb2b4553dd42635eb4329cbfc416d741e34f902375bd9120e8a021d3"},
    composite_row{adiantum, extent, iv_flavour::per_file, 0, 4096,
                  "c292480cf11b78262e65e6644ad2dcd5e61fc2b62d8a25bfba9f56e96ad9a6cb",
                  "ab030dfa277514c723420062152099d0095c58cb9f94a8ab422acf2b3952640c"},
    composite_row{adiantum, extent, iv_flavour::per_file, 4096, 4096,
                  "7f4e919455f8338dd4c186d7ca978a9607ebe12d413426e97bc4baff3d97b68e",
                  "8e73bf0c9bccef028d560f439cb39e8b2df5bc7a2f92dfef3c783a9761dbc1ac"},
    composite_row{sm4_xts, extent, iv_flavour::per_file, 0, 4096,
                  "db81b6de849feeece0151d17605efb95dfe04d48dfd84bb7ea871152f997e5ee",
                  "35a20f6fdfcf8c98a459214543c6d7d200fda3048dcf0fcf7145263e71f4f395"},
    composite_row{sm4_xts, extent, iv_flavour::per_file, 4096, 4096,
                  "69dbb2b8da24d436ca8536ffe1da276a0dcb5151bf2de183e097213061726e0f",
                  "44529d251a2f1ade67687257fce217e56c1e8d73a49ed6468c1da482a9f92b70"},
    composite_row{aes_256_xts, lblk_64, iv_flavour::iv_ino_lblk_64, 0, 4096,
                  "40259869d0fc85c35292cecaea5140e03e7ca8c39facee5c3c3e2fe2781e31b4",
                  "404487bb44f66b8fc68aaba36a77b849e3209a9caba33308101b29e5368a8d41"},
    composite_row{aes_256_xts, lblk_64, iv_flavour::iv_ino_lblk_64, 0xffffffffULL * 4096, 4096,
                  "e9176bb34301861acedb7e9513c1499638b5ecadb1ef8ed3c782621f9fdd6642",
                  "117846218bc5f0e589e34cc9308bf357c56d209636f2891ebf46ecb6987f3156"},
    composite_row{aes_256_xts, lblk_32, iv_flavour::iv_ino_lblk_32, 0, 4096,
                  "ce6a940a939f6e1441a36595e83435776ecdb068ce3017c6cc0509f4e61136fc",
                  "7fa777fe66046c537fe3ec1036694212d5365535dabe9518b860a62eda688bb6"},
    composite_row{aes_256_xts, lblk_32, iv_flavour::iv_ino_lblk_32, 4096, 4096,
                  "851a68c16b4853f91422ed52bb5fe11db49c37130afadf33333097a595f1e0b0",
                  "613cec16f8e8710e4da05532ab3186c840fc953b743c393872cf766ca4ccba5b"},
    composite_row{adiantum, hkdf_context::direct_key, iv_flavour::direct_key, 0, 4096,
                  "e8c165b3fcc712bc6dfed9bdd8007650ea57beaed5b1a6ba6802c32a87252561",
                  "34dd3b7fd9337706aa77e781de49d2d039af0ab21ea22527d41439706d6f5085"},
    composite_row{adiantum, hkdf_context::direct_key, iv_flavour::direct_key, 4096, 4096,
                  "e6e5ec7b535949421531426ec5b55345497f2a9377afab42041d3033e9793adb",
                  "6cc9afe8738f500380bec2a18bc7f0fd4b6fc7e1b66506a2fa3aae9c2fc03458"},
};

} // namespace

TEST_CASE("derived keys and generated DUNs make the ciphertext that fscrypt writes") {
    for (const auto& row : composite_rows) {
        CAPTURE(name_of(row.mode));
        CAPTURE(static_cast<unsigned>(row.context));
        CAPTURE(row.offset_bytes);
        CAPTURE(row.unit_bytes);
        const auto data = ciphertext(row);
        CHECK(byte_vector(data.begin(), data.begin() + 32) == from_hex(row.first_hex));
        CHECK(sha256(data) == from_hex(row.sha256_hex));
    }
}

TEST_CASE("the DUN at a byte of a file is its offset over the unit size, and what the flavour makes of it" *
          PROPERTY(52)) {
    random_source random(test_seed());
    for (int round = 0; round < 1000; ++round) {
        const auto unit = unit_of(512U << random.below(8));
        const std::uint64_t offset = random.next() >> (9 + random.below(40));
        const std::uint64_t index = offset / unit.bytes();
        const auto dun_of = [&](iv_flavour flavour) {
            return generate_dun(source_of(flavour), unit_index(offset, unit));
        };
        CHECK(dun_of(iv_flavour::per_file) == dun(index));
        CHECK(dun_of(iv_flavour::direct_key) ==
              dun(uint256(index, 0xa7a6a5a4a3a2a1a0, 0xafaeadacabaaa9a8, 0)));
        CHECK(dun_of(iv_flavour::iv_ino_lblk_32) == dun((hashed_inode + index) & 0xffffffff));
        if (index >> 32 == 0)
            CHECK(dun_of(iv_flavour::iv_ino_lblk_64) == dun(index + (std::uint64_t{inode} << 32)));
    }
}

TEST_CASE("no bio with an IV_INO_LBLK_32 policy goes from IV ffffffff to 0" * PROPERTY(51)) {
    random_source random(test_seed());
    auto source = source_of(iv_flavour::iv_ino_lblk_32);
    for (int round = 0; round < 1000; ++round) {
        source.hashed_inode = static_cast<std::uint32_t>(random.next());
        const std::uint64_t index = (0 - std::uint64_t{source.hashed_inode} - random.below(300)) & 0xffffffff;
        const std::uint64_t units = 1 + random.below(600);
        const std::uint64_t limit = limit_io_units(source, index, units);
        REQUIRE(limit >= 1);
        CHECK(limit <= units);
        const auto first = generate_dun(source, index).value().limbs[0];
        CHECK(generate_dun(source, index + limit - 1).value().limbs[0] == first + limit - 1);
        if (limit < units)
            CHECK(generate_dun(source, index + limit) == dun(0));
    }
}

TEST_CASE("bios of other policies are as long as they like") {
    for (const auto flavour : {iv_flavour::per_file, iv_flavour::direct_key, iv_flavour::iv_ino_lblk_64})
        CHECK(limit_io_units(source_of(flavour), 0xffffffff, 1000) == 1000);
    CHECK(limit_io_units(source_of(iv_flavour::iv_ino_lblk_32), 0, 0) == 0);
    CHECK(limit_io_units({.flavour = iv_flavour::iv_ino_lblk_32}, 0, UINT64_MAX) == std::uint64_t{1} << 32);
}

TEST_CASE("the flags of a policy say the flavour") {
    for (std::uint8_t padding = 0; padding < 4; ++padding) {
        const auto with = [&](std::uint8_t flag) {
            return flavour_of(static_cast<std::uint8_t>(flag | padding));
        };
        CHECK(with(0) == iv_flavour::per_file);
        CHECK(with(policy_flag_direct_key) == iv_flavour::direct_key);
        CHECK(with(policy_flag_iv_ino_lblk_64) == iv_flavour::iv_ino_lblk_64);
        CHECK(with(policy_flag_iv_ino_lblk_32) == iv_flavour::iv_ino_lblk_32);
    }
}

TEST_CASE("a key declares as many bytes of DUN as its flavour can have") {
    const auto unit = unit_of(4096);
    constexpr std::uint64_t most = UINT64_MAX >> 1;
    CHECK(dun_bytes_of(iv_flavour::direct_key, most, unit) == 24);
    CHECK(dun_bytes_of(iv_flavour::iv_ino_lblk_64, most, unit) == 8);
    CHECK(dun_bytes_of(iv_flavour::iv_ino_lblk_32, most, unit) == 4);
    CHECK(dun_bytes_of(iv_flavour::per_file, most, unit) == 7);
    CHECK(dun_bytes_of(iv_flavour::per_file, most, unit_of(512)) == 7);
    CHECK(dun_bytes_of(iv_flavour::per_file, std::uint64_t{1} << 44, unit) == 4);
    CHECK(dun_bytes_of(iv_flavour::per_file, (std::uint64_t{1} << 44) + 1, unit) == 5);
    CHECK(dun_bytes_of(iv_flavour::per_file, 4096, unit) == 1);
}

TEST_CASE("every DUN of a file fits the bytes that its key declares") {
    random_source random(test_seed());
    for (int round = 0; round < 1000; ++round) {
        const auto unit = unit_of(512U << random.below(8));
        const std::uint64_t file_bytes = 1 + (random.next() >> (1 + random.below(62)));
        const auto last = unit_index(file_bytes - 1, unit);
        for (const auto flavour : {iv_flavour::per_file, iv_flavour::direct_key, iv_flavour::iv_ino_lblk_32})
            CHECK(generate_dun(source_of(flavour), last).significant_bytes() <=
                  dun_bytes_of(flavour, file_bytes, unit));
    }
}

TEST_CASE("SipHash-2-4 hashes what is published") {
    std::array<std::byte, 16> key;
    std::ranges::copy(counting_bytes(16), key.begin());
    CHECK(siphash(key, counting_bytes(15)) == 0xa129ca6149be45e5);
    CHECK(siphash(key, {}) == 0x726fdb47dd0e0e31);
    CHECK(siphash(key, counting_bytes(8)) == 0x93f5f5799a932462);
    CHECK(siphash(key, counting_bytes(63)) == 0x958a324ceb064572);
}

TEST_CASE("inode numbers are hashed as in Linux") {
    std::array<std::byte, 16> key;
    derive(hkdf_sha512::make(counting_bytes(64)).value(), hkdf_context::inode_hash_key, {}, key);
    CHECK(hash_inode_number(key, inode) == hashed_inode);
}
