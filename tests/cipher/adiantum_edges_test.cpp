// SPDX-License-Identifier: Apache-2.0
// Data at the edges of Adiantum's arithmetic: sums of 32, 64 and 128 bits that carry everywhere or nowhere,
// products that are as large as can be or 0. Random data meets few of these.
#include "tests/cipher/cipher_cases.hpp"
#include "tests/reference_crypto/xchacha12.hpp"

#include <algorithm>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::array<std::uint32_t, 8> unit_sizes{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
constexpr std::size_t block_bytes = 16;
constexpr std::size_t nh_message_bytes = 1024;
constexpr std::size_t nh_passes = 4;

// Runs `body(cipher_case&)` for every implementation.
template <typename Body>
void for_each_adiantum(Body body) {
    int ciphers = 0;
    for_each_cipher(1, [&](cipher_case& with) {
        if (with.implementation.mode != crypto_mode::adiantum)
            return;
        ++ciphers;
        body(with);
    });
    CHECK(ciphers != 0);
}

// Runs `body(cipher_case&, unit size)` for every implementation and size.
template <typename Body>
void for_each_unit_size(Body body) {
    for_each_adiantum([&](cipher_case& with) {
        for (const std::uint32_t size : unit_sizes) {
            CAPTURE(size);
            body(with, size);
        }
    });
}

// Both as plaintext and as ciphertext, as each is hashed. Two units, which may be crypted together.
void check_data(const cipher_case& with, bytes_view key, const uint256& iv, bytes_view unit) {
    std::vector<std::byte> data;
    for (int i = 0; i < 2; ++i)
        data.insert(data.end(), unit.begin(), unit.end());
    const auto size = unit_of(static_cast<std::uint32_t>(unit.size()));
    REQUIRE_FALSE(with.tfm->setkey(key));
    cipher_lane lane(0);
    for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt}) {
        auto expected = data;
        reference_crypt("adiantum", direction, key, iv, unit.size(), expected);
        auto actual = data;
        crypt_in_place(with, direction, iv, size, actual, lane);
        CHECK(same_bytes(actual, expected));
        const auto back =
            direction == cipher_direction::encrypt ? cipher_direction::decrypt : cipher_direction::encrypt;
        crypt_in_place(with, back, iv, size, actual, lane);
        CHECK(same_bytes(actual, data));
    }
}

// Its first 64 bytes are the keys of AES and both Poly1305.
std::vector<std::byte> nh_key_of(bytes_view key) {
    std::array<std::uint8_t, 64 + nh_message_bytes + (nh_passes - 1) * block_bytes> derived{};
    reference_crypto::xchacha12_xor({reinterpret_cast<const std::uint8_t*>(key.data()), key.size()}, {1},
                                    derived);
    const auto nh_key = std::as_bytes(std::span(derived)).subspan(64);
    return {nh_key.begin(), nh_key.end()};
}

// A message of which pass number `pass` of NH multiplies nothing but `sum` by itself.
std::vector<std::byte> with_nh_sums(std::uint32_t sum, std::size_t pass, bytes_view nh_key) {
    std::vector<std::byte> message(nh_message_bytes);
    for (std::size_t at = 0; at < message.size(); at += 4) {
        const auto key_word = load_little<std::uint32_t>(nh_key.data() + pass * block_bytes + at);
        store_little<std::uint32_t>(message.data() + at, sum - key_word);
    }
    return message;
}

// `message` again and again, then `last_block`.
std::vector<std::byte> unit_of_messages(std::size_t size, bytes_view message, bytes_view last_block) {
    std::vector<std::byte> unit(size);
    for (std::size_t i = 0; i < size; ++i)
        unit[i] = message[i % message.size()];
    std::ranges::copy(last_block, unit.end() - block_bytes);
    return unit;
}

// What is added to and subtracted from the hash mod 2^128: no carry, a carry out of each 64 bits, out of
// both.
constexpr std::array last_blocks{"00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff",
                                 "ffffffffffffffff0000000000000000", "0000000000000000ffffffffffffffff",
                                 "00000000000000800000000000000080", "01000000000000000000000000000000"};

constexpr uint256 last_iv(~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0});

} // namespace

TEST_CASE("Adiantum of uniform data is what the reference says, whatever carries") {
    for_each_unit_size([](cipher_case& with, std::uint32_t size) {
        for (const char* bulk : {"00", "ff", "80", "01000000", "ffffff7f"}) {
            CAPTURE(std::string(bulk));
            check_data(with, with.key, 0, unit_of_messages(size, from_hex(bulk), from_hex(last_blocks[1])));
        }
        for (const char* last : last_blocks) {
            CAPTURE(std::string(last));
            check_data(with, with.key, 0,
                       unit_of_messages(size, random_bytes(1024, test_seed() + 301), from_hex(last)));
        }
    });
}

TEST_CASE("Adiantum under uniform keys and tweaks is what the reference says") {
    for_each_unit_size([](cipher_case& with, std::uint32_t size) {
        const std::vector<std::byte> zeros(32), ones(32, std::byte{0xff});
        for (const auto& key : {zeros, ones})
            for (const uint256& iv : {uint256(0), last_iv})
                for (const auto& bulk : {zeros, ones})
                    check_data(with, key, iv,
                               unit_of_messages(size, bulk, random_bytes(16, test_seed() + 302)));
    });
}

TEST_CASE("Adiantum is what the reference says where sums of NH are 0 or as large as they can be") {
    for_each_unit_size([](cipher_case& with, std::uint32_t size) {
        const auto nh_key = nh_key_of(with.key);
        for (std::size_t pass = 0; pass < nh_passes; ++pass)
            for (const std::uint32_t sum : {0U, 0x80000000U, 0xffffffffU}) {
                CAPTURE(pass);
                CAPTURE(sum);
                const auto message = with_nh_sums(sum, pass, nh_key);
                check_data(with, with.key, last_iv,
                           unit_of_messages(size, message, from_hex(last_blocks[1])));
            }
    });
}

TEST_CASE("Adiantum of many random units is what the reference says") {
    for_each_adiantum([](cipher_case& with) {
        random_source random(test_seed() + 300);
        for (int i = 0; i < 1000; ++i)
            check_data(with, random_bytes(32, random.next()), random_iv(random),
                       random_bytes(512, random.next()));
    });
}
