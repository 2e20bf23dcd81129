// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys and data unit numbers from the test's seed, and what the reference makes of data under them.

#include "blkcrypto/block/crypto_key.hpp"
#include "tests/support/random_bytes.hpp"

#include <memory>
#include <vector>

namespace blkcrypto::test {

data_unit_size unit_of(std::uint32_t bytes);
crypto_config xts_config(std::uint32_t unit_bytes = 4096);

/// Those with an implementation: all, unless a test or the environment takes some away.
std::vector<crypto_mode> usable_modes();

/// Of any mode, with DUNs as wide as its IV.
crypto_config config_of(crypto_mode mode, std::uint32_t unit_bytes = 4096);

/// A key with a second copy of its bytes.
struct test_key {
    explicit test_key(random_source& random, std::uint32_t unit_bytes = 4096,
                      crypto_mode mode = crypto_mode::aes_256_xts);
    std::vector<std::byte> bytes;
    std::unique_ptr<crypto_key> key;
};

/// Two equal halves: start_using_key() takes it, the cipher does not.
std::unique_ptr<crypto_key> make_weak_key();

/// A key that is nothing but its address.
struct nominal_key final : key_request {
    nominal_key() : key_request(xts_config()) {}
    std::error_code derive(secret&) const noexcept override { return {}; }
};

/// A key that can be derived once, then EREMOTEIO.
struct once_key final : key_request {
    explicit once_key(const test_key& key) : key_request(key.key->config()), source(*key.key) {}
    std::error_code derive(secret& into) const noexcept override;
    const crypto_key& source;
    mutable bool was_derived = false;
};

/// Often about to carry from one limb into the next.
dun random_dun(random_source& random);

/// What the reference makes of whole units: of AES-256-XTS, or of the key's mode.
std::vector<std::byte> reference_ciphertext(bytes_view key, const dun& first, data_unit_size unit,
                                            bytes_view plain);
std::vector<std::byte> reference_ciphertext(const test_key& key, const dun& first, bytes_view plain);

} // namespace blkcrypto::test
