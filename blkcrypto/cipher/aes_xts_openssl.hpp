// SPDX-License-Identifier: Apache-2.0
#pragma once
// AES-256-XTS through OpenSSL's EVP: runs everywhere, and is what other implementations are measured against.

#include "blkcrypto/cipher/skcipher.hpp"

namespace blkcrypto {

/// For the table in skcipher.cpp. ENOMEM; ENOPKG where OpenSSL was built without the cipher.
result<std::unique_ptr<skcipher>> make_aes_xts_openssl(unsigned lanes);

} // namespace blkcrypto
