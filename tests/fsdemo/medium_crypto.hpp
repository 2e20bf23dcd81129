// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is on the medium of a test's filesystem, decrypted by code that shares nothing with ours.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/cipher/crypto_mode.hpp"

#include <cstdint>

namespace blkcrypto::test {

/// Whole data units in place, the first with that DUN. False: the reference does not know the mode.
bool decrypt_units(crypto_mode mode, bytes_view key, std::uint64_t first_dun, std::uint32_t unit_bytes,
                   bytes_span data);

} // namespace blkcrypto::test
