// SPDX-License-Identifier: Apache-2.0
#include "tests/inline_crypt/test_keys.hpp"

#include "tests/reference_crypto/reference_crypto.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <doctest/doctest.h>

namespace blkcrypto::test {
namespace {

constexpr std::size_t xts_key_bytes = 64;

} // namespace

data_unit_size unit_of(std::uint32_t bytes) {
    return *data_unit_size::make(bytes);
}

crypto_config xts_config(std::uint32_t unit_bytes) {
    return {crypto_mode::aes_256_xts, unit_of(unit_bytes), 16};
}

test_key::test_key(random_source& random, std::uint32_t unit_bytes)
    : bytes(random_bytes(xts_key_bytes, random.next())),
      key(*crypto_key::make(bytes, xts_config(unit_bytes))) {}

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

// Counts IVs on its own: a wrong carry must not cancel out.
std::vector<std::byte> reference_ciphertext(bytes_view key, const dun& first, data_unit_size unit,
                                            bytes_view plain) {
    std::vector<std::byte> cipher(plain.begin(), plain.end());
    std::array<std::uint8_t, reference_crypto::iv_bytes> iv;
    const auto first_bytes = first.value().little_endian();
    std::memcpy(iv.data(), first_bytes.data(), iv.size());
    const std::span<const std::uint8_t> key_bytes(reinterpret_cast<const std::uint8_t*>(key.data()),
                                                  key.size());
    for (std::size_t at = 0; at < cipher.size(); at += unit.bytes()) {
        const std::span<std::uint8_t> one(reinterpret_cast<std::uint8_t*>(cipher.data() + at), unit.bytes());
        REQUIRE(reference_crypto::encrypt_unit("aes-256-xts", key_bytes, iv, one));
        for (auto& byte : iv)
            if (++byte != 0)
                break;
    }
    return cipher;
}

} // namespace blkcrypto::test
