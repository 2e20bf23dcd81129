// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an implementation makes of a key, and of each unit's IV, and has to keep to itself: computed by other
// code, to be looked for.

#include "blkcrypto/base/secret.hpp"
#include "tests/cipher/cipher_cases.hpp"

#include <memory>
#include <string>
#include <vector>

namespace blkcrypto::test {

/// Nothing is left of what was in its memory.
template <typename T>
struct zeroizing_allocator {
    using value_type = T;

    T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
    void deallocate(T* memory, std::size_t n) {
        zeroize(std::as_writable_bytes(std::span(memory, n)));
        std::allocator<T>().deallocate(memory, n);
    }
    bool operator==(const zeroizing_allocator&) const = default;
};
using zeroized_bytes = std::vector<std::byte, zeroizing_allocator<std::byte>>;

struct cipher_secret {
    std::string what;
    zeroized_bytes bytes;
    bool is_kept = false; // by this library's own code as long as the key is set, in this form
};

/// The key itself is the first. Copies are on the stack below the caller.
std::vector<cipher_secret> secrets_of_key(crypto_mode mode, bytes_view key);

/// Of a call, besides: the encrypted IVs, or the keys of Adiantum's nonces. `cipher`: the units, encrypted.
cipher_secret secret_of_units(crypto_mode mode, bytes_view key, const iv_sequence& ivs,
                              std::size_t unit_bytes, bytes_view cipher);

} // namespace blkcrypto::test
