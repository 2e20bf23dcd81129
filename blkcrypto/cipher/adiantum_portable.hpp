// SPDX-License-Identifier: Apache-2.0
#pragma once
// Adiantum for any processor: this library's own stream cipher and hashes, and AES, of which there is one
// block a unit, by OpenSSL.

#include "blkcrypto/cipher/skcipher.hpp"

namespace blkcrypto {

/// For the table in skcipher.cpp. ENOMEM; ENOPKG where OpenSSL was built without AES.
result<std::unique_ptr<skcipher>> make_adiantum_portable(unsigned lanes);

} // namespace blkcrypto
