// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/crypto_key.hpp"
#include "tests/block/block_cases.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/property.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string.h> // NOLINT: explicit_bzero

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

std::error_code refusal(std::size_t key_bytes, const crypto_config& config) {
    const auto made = crypto_key::make(random_bytes(key_bytes, test_seed()), config);
    return made.has_value() ? std::error_code() : made.error();
}

crypto_config config_of(crypto_mode mode, std::uint8_t dun_bytes) {
    return {mode, unit_of(4096), dun_bytes};
}

} // namespace

TEST_CASE(
    "a key is refused with EINVAL for its mode, its size, its dun_bytes or its data unit, and then there is none" *
    PROPERTY(4)) {
    constexpr auto xts = crypto_mode::aes_256_xts;
    CHECK(refusal(64, config_of(xts, 8)) == std::error_code());
    CHECK(refusal(64, config_of(crypto_mode::invalid, 8)) == make_error(EINVAL));
    CHECK(refusal(64, config_of(static_cast<crypto_mode>(200), 8)) == make_error(EINVAL));
    CHECK(refusal(64, config_of(xts, 0)) == make_error(EINVAL));
    CHECK(refusal(64, config_of(xts, 17)) == make_error(EINVAL));
    CHECK(refusal(32, config_of(crypto_mode::adiantum, 32)) == std::error_code());
    for (const std::size_t size : {0U, 32U, 63U, 65U})
        CHECK(refusal(size, config_of(xts, 8)) == make_error(EINVAL));
    // A data unit size that is none cannot be part of a configuration.
    for (const std::uint64_t size : {0U, 1U, 256U, 513U, 4095U, 6144U, 131072U})
        CHECK(data_unit_size::make(size).error() == make_error(EINVAL));
}

TEST_CASE("a key has the size of its mode and no other") {
    for (const auto& mode : crypto_modes())
        for (std::size_t size = 0; size <= 129; ++size) {
            CAPTURE(size);
            CHECK((refusal(size, config_of(mode.mode, 8)) == std::error_code()) ==
                  (size == mode.key_size_bytes));
        }
    CHECK(refusal(63, config_of(crypto_mode::aes_256_xts, 8)) == make_error(EINVAL));
}

TEST_CASE("dun_bytes is at least one and at most the IV size of the mode") {
    for (const auto& mode : crypto_modes())
        for (unsigned dun_bytes = 0; dun_bytes <= 255; ++dun_bytes) {
            CAPTURE(dun_bytes);
            const auto config = config_of(mode.mode, static_cast<std::uint8_t>(dun_bytes));
            const bool fits = dun_bytes >= 1 && dun_bytes <= mode.iv_size_bytes;
            CHECK((refusal(mode.key_size_bytes, config) == std::error_code()) == fits);
        }
    CHECK(refusal(64, config_of(crypto_mode::aes_256_xts, 17)) == make_error(EINVAL));
}

TEST_CASE("a mode that does not exist is refused") {
    CHECK(refusal(0, config_of(crypto_mode::invalid, 0)) == make_error(EINVAL));
    CHECK(refusal(64, config_of(crypto_mode::invalid, 8)) == make_error(EINVAL));
    CHECK(refusal(64, config_of(static_cast<crypto_mode>(5), 8)) == make_error(EINVAL));
}

TEST_CASE("a key type other than raw is refused") {
    auto config = config_of(crypto_mode::aes_256_xts, 8);
    CHECK(refusal(64, config) == std::error_code());
    config.key_type = crypto_key_type::hw_wrapped;
    CHECK(refusal(64, config) == make_error(EINVAL));
}

TEST_CASE("equal halves of an XTS key are not the key's business") {
    const std::vector<std::byte> zeros(64);
    CHECK(crypto_key::make(zeros, config_of(crypto_mode::aes_256_xts, 8)).has_value());
}

TEST_CASE("derive gives the bytes of the key and allocates nothing") {
    const auto bytes = random_bytes(64, test_seed());
    const auto key = crypto_key::make(bytes, config_of(crypto_mode::aes_256_xts, 8)).value();
    auto into = secret::make(3).value();
    const allocation_counter allocations;
    const auto refused = key->derive(into);
    const auto made = allocations.count();
    CHECK_FALSE(refused);
    CHECK(made == 0);
    CHECK(std::ranges::equal(into.bytes(), bytes));
}

TEST_CASE("derive into a secret without memory is refused") {
    const auto key = make_key(4096);
    secret empty;
    CHECK(key->derive(empty) == make_error(EINVAL));
}

TEST_CASE("a key has the configuration it was made with") {
    const auto key = make_key(8192);
    CHECK(key->config().mode == crypto_mode::aes_256_xts);
    CHECK(key->config().unit_size == unit_of(8192));
    CHECK(key->config().dun_bytes == 8);
    CHECK(key->config().key_type == crypto_key_type::raw);
}

TEST_CASE("nothing of a key is left after it") {
    std::array<std::byte, 64> bytes;
    random_source(test_seed() + 40).fill(bytes);
    const auto pieces = masked_pieces(bytes);
    auto key = crypto_key::make(bytes, config_of(crypto_mode::aes_256_xts, 8)).value();
    explicit_bzero(bytes.data(), bytes.size());
    CHECK(count_in_memory(pieces) == 4);
    key.reset();
    CHECK(count_in_memory(pieces) == 0);
}
