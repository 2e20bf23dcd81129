// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/xts_key.hpp"

#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <ostream>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::array<std::size_t, 2> key_sizes{32, 64}; // with 128-bit and 256-bit keys for the block cipher

std::vector<std::byte> twice(std::vector<std::byte> half) {
    const auto bytes = half;
    half.insert(half.end(), bytes.begin(), bytes.end());
    return half;
}

} // namespace

TEST_CASE("an XTS key has exactly the length that is asked for") {
    const auto bytes = random_bytes(160, test_seed() + 60);
    for (const std::size_t key_bytes : key_sizes)
        for (std::size_t length = 0; length <= bytes.size(); ++length) {
            CAPTURE(key_bytes);
            CAPTURE(length);
            const auto verdict = check_xts_key(bytes_view(bytes).first(length), key_bytes);
            CHECK(verdict ==
                  (length == key_bytes ? std::error_code() : make_error_code(std::errc::invalid_argument)));
        }
}

TEST_CASE("an XTS key of two equal halves is weak whatever they are") {
    for (const std::size_t key_bytes : key_sizes) {
        CHECK(check_xts_key(std::vector<std::byte>(key_bytes), key_bytes) == std::errc::invalid_argument);
        CHECK(check_xts_key(std::vector<std::byte>(key_bytes, std::byte{0xff}), key_bytes) ==
              std::errc::invalid_argument);
        CHECK(check_xts_key(twice(random_bytes(key_bytes / 2, test_seed() + 61)), key_bytes) ==
              std::errc::invalid_argument);
    }
}

TEST_CASE("halves of an XTS key that differ in one bit anywhere are enough") {
    for (const std::size_t key_bytes : key_sizes) {
        auto key = twice(random_bytes(key_bytes / 2, test_seed() + 62));
        for (std::size_t bit = 0; bit < key_bytes * 8; ++bit) {
            CAPTURE(bit);
            const std::byte mask{static_cast<unsigned char>(1U << bit % 8)};
            key[bit / 8] ^= mask;
            CHECK_FALSE(check_xts_key(key, key_bytes));
            key[bit / 8] ^= mask;
        }
        CHECK(check_xts_key(key, key_bytes) == std::errc::invalid_argument);
    }
}
