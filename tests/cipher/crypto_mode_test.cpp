// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/crypto_mode.hpp"
#include "blkcrypto/cipher/skcipher.hpp"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <string>

using namespace blkcrypto;

namespace {

bool is_implemented(crypto_mode mode) {
    return std::ranges::count(skcipher_implementations(), mode, &skcipher_implementation::mode) != 0;
}

void check_mode(crypto_mode mode, int kernel_value, std::string_view name, std::string_view kernel_name,
                std::string_view cipher_str, std::array<unsigned, 3> sizes) {
    CAPTURE(std::string(name));
    const crypto_mode_info* info = find_mode(mode);
    REQUIRE(info != nullptr);
    CHECK(info->mode == mode);
    CHECK(static_cast<int>(mode) == kernel_value);
    CHECK(info->name == name);
    CHECK(info->kernel_name == kernel_name);
    CHECK(info->cipher_str == cipher_str);
    CHECK(info->key_size_bytes == sizes[0]);
    CHECK(info->security_strength_bytes == sizes[1]);
    CHECK(info->iv_size_bytes == sizes[2]);
    CHECK(find_mode(name) == info);
}

} // namespace

TEST_CASE("modes have the names and sizes of the kernel's table") {
    check_mode(crypto_mode::aes_256_xts, 1, "aes-256-xts", "AES-256-XTS", "xts(aes)", {64, 32, 16});
    check_mode(crypto_mode::aes_128_cbc_essiv, 2, "aes-128-cbc-essiv", "AES-128-CBC-ESSIV",
               "essiv(cbc(aes),sha256)", {16, 16, 16});
    check_mode(crypto_mode::adiantum, 3, "adiantum", "Adiantum", "adiantum(xchacha12,aes)", {32, 32, 32});
    check_mode(crypto_mode::sm4_xts, 4, "sm4-xts", "SM4-XTS", "xts(sm4)", {32, 16, 16});
    CHECK(crypto_modes().size() == 4);
}

TEST_CASE("what is not a mode is not found") {
    CHECK(find_mode(crypto_mode::invalid) == nullptr);
    CHECK(find_mode(static_cast<crypto_mode>(5)) == nullptr);
    CHECK(find_mode(static_cast<crypto_mode>(255)) == nullptr);
    CHECK(find_mode(std::string_view("aes-512-xts")) == nullptr);
    CHECK(find_mode(std::string_view("AES-256-XTS")) == nullptr);
    CHECK(find_mode(std::string_view("")) == nullptr);
}

TEST_CASE("a mode without an implementation is refused with ENOPKG") {
    for (const auto& mode : crypto_modes()) {
        CAPTURE(std::string(mode.name));
        const auto made = make_skcipher(mode.mode, 1);
        CHECK(made.has_value() == is_implemented(mode.mode));
        if (!made.has_value())
            CHECK(made.error() == make_error(ENOPKG));
    }
    CHECK(make_skcipher(crypto_mode::invalid, 1).error() == make_error(ENOPKG));
    CHECK(make_skcipher(static_cast<crypto_mode>(77), 1).error() == make_error(ENOPKG));
}

TEST_CASE("AES-256-XTS is always there") {
    CHECK(selected_implementation(crypto_mode::aes_256_xts) != nullptr);
}

TEST_CASE("the selected implementation is one of the mode and stays the same") {
    for (const auto& mode : crypto_modes()) {
        const auto* selected = selected_implementation(mode.mode);
        CHECK(selected == selected_implementation(mode.mode));
        if (selected != nullptr)
            CHECK(selected->mode == mode.mode);
    }
    CHECK(selected_implementation(crypto_mode::invalid) == nullptr);
}

TEST_CASE("implementations have names of their own") {
    for (const auto& implementation : skcipher_implementations()) {
        CHECK(find_mode(implementation.mode) != nullptr);
        CHECK(std::ranges::count(skcipher_implementations(), implementation.name,
                                 &skcipher_implementation::name) == 1);
    }
}
