// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/key_check.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace blkcrypto;
using namespace blkcrypto::test;
using namespace blkcrypto::tools;

namespace {

disk_crypto crypto_with(std::string_view mode, std::uint32_t unit_bytes, const uint256& dun_offset) {
    return {find_mode(mode), data_unit_size::make(unit_bytes).value(), dun_offset};
}

int exit_code_of_verifying(const key_check& check, const disk_crypto& crypto, bytes_view key) {
    try {
        verify_key_check("file", check, crypto, key);
        return cli::exit_success;
    } catch (const cli::program_error& error) {
        return error.exit_code();
    }
}

std::string why_not(std::string_view text) {
    try {
        (void)parse_key_check("file", text);
        return "";
    } catch (const cli::program_error& error) {
        CHECK(error.exit_code() == cli::exit_unusable);
        return error.what();
    }
}

// Computed with Python's hmac module.
constexpr std::string_view known_file =
    R"({"schema": "blkcrypto-keycheck", "version": 1, "mode": "aes-256-xts",
  "data_unit_size": 4096, "dun_offset": 7, "salt": "000102030405060708090a0b0c0d0e0f",
  "digest": "2e33e47b9e220e0059efff075f259a2a424fc6d3cf3c520a4326c1bec173cdd0"})";

} // namespace

TEST_CASE("a key check that somebody else computed fits its key and no other") {
    const auto key = counting_bytes(64);
    const key_check check = parse_key_check("file", known_file);
    const disk_crypto crypto = crypto_with("aes-256-xts", 4096, 7);
    CHECK(exit_code_of_verifying(check, crypto, key) == cli::exit_success);
    for (std::size_t i = 0; i < key.size(); ++i) {
        auto other = key;
        other[i] ^= std::byte{1};
        CHECK(exit_code_of_verifying(check, crypto, other) == cli::exit_failed);
    }
}

TEST_CASE("a key check survives its file, with every offset there is") {
    const auto key = counting_bytes(32);
    for (const uint256& offset :
         {uint256(0), uint256(~0ULL), uint256(0, 1, 0, 0), uint256(~0ULL, ~0ULL, ~0ULL, ~0ULL)}) {
        const disk_crypto crypto = crypto_with("adiantum", 512, offset);
        const key_check check = parse_key_check("file", to_text(make_key_check(crypto, key)));
        CHECK(exit_code_of_verifying(check, crypto, key) == cli::exit_success);
        CHECK(check.dun_offset == offset);
    }
}

TEST_CASE("two key checks of one key have nothing in common") {
    const auto key = counting_bytes(64);
    const disk_crypto crypto = crypto_with("aes-256-xts", 4096, 0);
    const key_check one = make_key_check(crypto, key);
    const key_check other = make_key_check(crypto, key);
    CHECK(one.salt.size() >= 16);
    CHECK(one.salt != other.salt);
    CHECK(one.digest != other.digest);
}

TEST_CASE("another use of the image is exit code 2, whatever the key") {
    const auto key = counting_bytes(64);
    const key_check check = make_key_check(crypto_with("aes-256-xts", 4096, 0), key);
    CHECK(exit_code_of_verifying(check, crypto_with("adiantum", 4096, 0), key) == cli::exit_unusable);
    CHECK(exit_code_of_verifying(check, crypto_with("aes-256-xts", 512, 0), key) == cli::exit_unusable);
    CHECK(exit_code_of_verifying(check, crypto_with("aes-256-xts", 4096, 1), key) == cli::exit_unusable);
}

TEST_CASE("a field that is missing or something else is named") {
    const auto whole = nlohmann::ordered_json::parse(known_file);
    for (const auto& field : whole.items()) {
        const std::string& name = field.key();
        CAPTURE(name);
        auto without = whole;
        without.erase(name);
        CHECK(why_not(without.dump()).find(name) != std::string::npos);
        for (const nlohmann::ordered_json& other :
             {nlohmann::ordered_json(nullptr), nlohmann::ordered_json(true), nlohmann::ordered_json(-1),
              nlohmann::ordered_json(1.5), nlohmann::ordered_json("?"), nlohmann::ordered_json::array(),
              nlohmann::ordered_json::object()}) {
            auto changed = whole;
            changed[name] = other;
            CHECK(why_not(changed.dump()).find(name) != std::string::npos);
        }
    }
}

TEST_CASE("any text is a key check or is refused") {
    random_source random(test_seed());
    for (std::size_t length = 0; length < known_file.size(); ++length)
        CHECK(why_not(known_file.substr(0, length)) != "");
    for (unsigned i = 0; i < 5000; ++i) {
        std::string text(known_file);
        for (unsigned n = 0; n < 3; ++n)
            text[random.below(text.size())] = static_cast<char>(random.next());
        (void)why_not(text);
    }
    CHECK(why_not(std::string(60000, '[')) != "");
    CHECK(why_not("{\"a\":" + std::string(60000, '[')) != "");
}
