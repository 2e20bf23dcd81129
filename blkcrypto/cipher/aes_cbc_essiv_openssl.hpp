// SPDX-License-Identifier: Apache-2.0
#pragma once
// AES-128-CBC-ESSIV through OpenSSL's EVP: runs everywhere, one unit after another.

#include "blkcrypto/cipher/skcipher.hpp"

namespace blkcrypto {

/// For the table in skcipher.cpp. ENOMEM; ENOPKG where OpenSSL was built without AES.
result<std::unique_ptr<skcipher>> make_aes_cbc_essiv_openssl(unsigned lanes);

} // namespace blkcrypto
