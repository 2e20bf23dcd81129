// SPDX-License-Identifier: Apache-2.0
#include "tests/inline_crypt/test_keys.hpp"

#include "blkcrypto/cipher/skcipher.hpp"
#include "tests/reference_crypto/reference_crypto.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <doctest/doctest.h>

namespace blkcrypto::test {
namespace {

constexpr std::size_t xts_key_bytes = 64;

// Counts IVs on its own: a wrong carry must not cancel out.
std::vector<std::byte> ciphertext_in(std::string_view mode, bytes_view key, const dun& first,
                                     data_unit_size unit, bytes_view plain) {
    std::vector<std::byte> cipher(plain.begin(), plain.end());
    std::array<std::uint8_t, reference_crypto::iv_bytes> iv;
    const auto first_bytes = first.value().little_endian();
    std::memcpy(iv.data(), first_bytes.data(), iv.size());
    const std::span<const std::uint8_t> key_bytes(reinterpret_cast<const std::uint8_t*>(key.data()),
                                                  key.size());
    for (std::size_t at = 0; at < cipher.size(); at += unit.bytes()) {
        const std::span<std::uint8_t> one(reinterpret_cast<std::uint8_t*>(cipher.data() + at), unit.bytes());
        REQUIRE(reference_crypto::encrypt_unit(mode, key_bytes, iv, one));
        for (auto& byte : iv)
            if (++byte != 0)
                break;
    }
    return cipher;
}

} // namespace

data_unit_size unit_of(std::uint32_t bytes) {
    return *data_unit_size::make(bytes);
}

crypto_config xts_config(std::uint32_t unit_bytes) {
    return config_of(crypto_mode::aes_256_xts, unit_bytes);
}

std::vector<crypto_mode> usable_modes() {
    std::vector<crypto_mode> modes;
    for (const auto& mode : crypto_modes())
        if (selected_implementation(mode.mode) != nullptr)
            modes.push_back(mode.mode);
    return modes;
}

crypto_config config_of(crypto_mode mode, std::uint32_t unit_bytes) {
    return {mode, unit_of(unit_bytes), static_cast<std::uint8_t>(find_mode(mode)->iv_size_bytes)};
}

test_key::test_key(random_source& random, std::uint32_t unit_bytes, crypto_mode mode)
    : bytes(random_bytes(find_mode(mode)->key_size_bytes, random.next())),
      key(*crypto_key::make(bytes, config_of(mode, unit_bytes))) {}

std::unique_ptr<crypto_key> make_weak_key() {
    const std::vector<std::byte> bytes(xts_key_bytes, std::byte{7});
    return *crypto_key::make(bytes, xts_config());
}

std::error_code once_key::derive(secret& into) const noexcept {
    return std::exchange(was_derived, true) ? make_error(EREMOTEIO) : source.derive(into);
}

dun random_dun(random_source& random) {
    uint256 value;
    for (auto& limb : value.limbs)
        limb = random.below(2) == 0 ? UINT64_MAX - random.below(8) : random.next();
    return dun(value);
}

std::vector<std::byte> reference_ciphertext(bytes_view key, const dun& first, data_unit_size unit,
                                            bytes_view plain) {
    return ciphertext_in("aes-256-xts", key, first, unit, plain);
}

std::vector<std::byte> reference_ciphertext(const test_key& key, const dun& first, bytes_view plain) {
    const auto& config = key.key->config();
    return ciphertext_in(find_mode(config.mode)->name, key.bytes, first, config.unit_size, plain);
}

} // namespace blkcrypto::test
