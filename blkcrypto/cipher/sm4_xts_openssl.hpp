// SPDX-License-Identifier: Apache-2.0
#pragma once
// SM4-XTS with OpenSSL's SM4: runs everywhere. The tweaks are those of IEEE 1619, as in the kernel's
// xts(sm4); the SM4-XTS of GB/T 17964, which OpenSSL has from 3.2 on, has others from the second block on.

#include "blkcrypto/cipher/skcipher.hpp"

namespace blkcrypto {

/// For the table in skcipher.cpp. ENOMEM; ENOPKG where OpenSSL was built without SM4.
result<std::unique_ptr<skcipher>> make_sm4_xts_openssl(unsigned lanes);

} // namespace blkcrypto
