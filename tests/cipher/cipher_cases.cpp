// SPDX-License-Identifier: Apache-2.0
#include "tests/cipher/cipher_cases.hpp"

#include "tests/reference_crypto/reference_crypto.hpp"

#include <cstring>

namespace blkcrypto::test {
namespace {

std::array<std::uint8_t, 32> iv_bytes_of(const uint256& iv) {
    std::array<std::uint8_t, 32> bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::uint8_t>(iv.limbs[i / 8] >> (i % 8 * 8));
    return bytes;
}

void add(std::array<std::uint8_t, 32>& number, unsigned step) {
    unsigned carry = step;
    for (auto& digit : number) {
        carry += digit;
        digit = static_cast<std::uint8_t>(carry & 0xff);
        carry >>= 8;
    }
}

std::vector<skcipher_implementation> find_usable() {
    std::vector<skcipher_implementation> usable;
    std::string others;
    for (const auto& implementation : skcipher_implementations())
        if (cpu_features().contains(implementation.needs))
            usable.push_back(implementation);
        else
            others.append(" ").append(implementation.name);
    if (!others.empty())
        MESSAGE("this CPU cannot run, and these tests leave out:", others);
    return usable;
}

} // namespace

std::span<const skcipher_implementation> usable_implementations() {
    static const std::vector<skcipher_implementation> usable = find_usable();
    REQUIRE_FALSE(usable.empty());
    return usable;
}

std::vector<std::byte> random_key(const skcipher_implementation& implementation, std::uint64_t stream) {
    return random_bytes(find_mode(implementation.mode)->key_size_bytes, test_seed() + stream);
}

cipher_case make_case(const skcipher_implementation& implementation, unsigned lanes) {
    auto tfm = implementation.make(lanes);
    REQUIRE(tfm.has_value());
    cipher_case made{implementation, random_key(implementation, 1), std::move(*tfm)};
    REQUIRE_FALSE(made.tfm->setkey(made.key));
    return made;
}

bool is_ours(const cipher_case& with) {
    return with.implementation.library.empty();
}

data_unit_size unit_of(std::uint32_t bytes) {
    return data_unit_size::make(bytes).value();
}

void crypt_in_place(const cipher_case& with, cipher_direction direction, const iv_sequence& ivs,
                    data_unit_size unit, bytes_span data, cipher_lane& lane) {
    const cipher_segment all{data.data(), data.data(), data.size()};
    with.tfm->crypt(direction, ivs, unit, {&all, 1}, lane);
}

void reference_crypt(std::string_view mode, cipher_direction direction, bytes_view key,
                     const iv_sequence& ivs, std::size_t unit_bytes, bytes_span data) {
    const auto crypt_unit = direction == cipher_direction::encrypt ? &reference_crypto::encrypt_unit
                                                                   : &reference_crypto::decrypt_unit;
    const std::span key_bytes(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
    std::span left(reinterpret_cast<std::uint8_t*>(data.data()), data.size());
    auto iv = iv_bytes_of(ivs.next());
    for (; !left.empty(); left = left.subspan(unit_bytes)) {
        REQUIRE(crypt_unit(mode, key_bytes, iv, left.first(unit_bytes)));
        add(iv, 1U << ivs.shift());
    }
}

std::vector<std::byte> reference_ciphertext(const cipher_case& with, bytes_view key, const iv_sequence& ivs,
                                            data_unit_size unit, bytes_view plain) {
    std::vector<std::byte> data(plain.begin(), plain.end());
    reference_crypt(find_mode(with.implementation.mode)->name, cipher_direction::encrypt, key, ivs,
                    unit.bytes(), data);
    return data;
}

bool same_bytes(bytes_view a, bytes_view b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

uint256 random_iv(random_source& random) {
    const auto limb = [&] {
        const std::uint64_t value = random.next();
        return value % 2 == 0 ? ~std::uint64_t{0} - value % 8 : value;
    };
    return {limb(), limb(), limb(), limb()};
}

} // namespace blkcrypto::test
