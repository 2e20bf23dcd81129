// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the cipher suite runs over: each implementation of this build, keyed, beside the reference's opinion
// of the same data. A new implementation is tested by being registered; a new mode needs a reference first.

#include "blkcrypto/cipher/skcipher.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace blkcrypto::test {

/// An implementation under test with one tfm of it, keyed.
struct cipher_case {
    const skcipher_implementation& implementation;
    std::vector<std::byte> key;
    std::unique_ptr<skcipher> tfm;
    cipher_lane lane{0};
};

/// A case with `lanes` lanes and a key from the test's seed.
cipher_case make_case(const skcipher_implementation& implementation, unsigned lanes = 1);

std::vector<std::byte> random_key(const skcipher_implementation& implementation, std::uint64_t stream);

/// The implementations that this CPU can run: at least one. What it cannot is named, once.
std::span<const skcipher_implementation> usable_implementations();

/// Runs `body(cipher_case&)` for all of them.
template <typename Body>
void for_each_cipher(unsigned lanes, Body body) {
    for (const auto& implementation : usable_implementations()) {
        INFO("implementation ", std::string(implementation.name));
        auto made = make_case(implementation, lanes);
        body(made);
    }
}

/// This library's own code, compiled as these tests are; not OpenSSL's.
bool is_ours(const cipher_case& with);

data_unit_size unit_of(std::uint32_t bytes);

/// Crypts one segment, in place.
void crypt_in_place(const cipher_case& with, cipher_direction direction, const iv_sequence& ivs,
                    data_unit_size unit, bytes_span data, cipher_lane& lane);

/// The reference crypts in place; `data` is whole units, of any length that its mode can have. IVs are
/// counted here, not by iv_sequence.
void reference_crypt(std::string_view mode, cipher_direction direction, bytes_view key,
                     const iv_sequence& ivs, std::size_t unit_bytes, bytes_span data);

/// What the reference makes of whole data units.
std::vector<std::byte> reference_ciphertext(const cipher_case& with, bytes_view key, const iv_sequence& ivs,
                                            data_unit_size unit, bytes_view plain);

/// Fast without optimisation too.
bool same_bytes(bytes_view a, bytes_view b);

/// A 256-bit number whose limbs are often about to carry.
uint256 random_iv(random_source& random);

} // namespace blkcrypto::test
