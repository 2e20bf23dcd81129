// SPDX-License-Identifier: Apache-2.0
// The functions for one algorithm that OpenSSL 3 calls deprecated: what it has instead allocates.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "blkcrypto/cipher/essiv_key.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/base/secret.hpp"

#include <openssl/sha.h>

namespace blkcrypto {

static_assert(essiv_iv_key_bytes == SHA256_DIGEST_LENGTH);

void derive_essiv_iv_key(std::span<const std::byte, essiv_data_key_bytes> data_key,
                         std::span<std::byte, essiv_iv_key_bytes> iv_key) noexcept {
    SHA256_CTX hash;
    if (SHA256_Init(&hash) != 1 || SHA256_Update(&hash, data_key.data(), data_key.size()) != 1 ||
        SHA256_Final(reinterpret_cast<unsigned char*>(iv_key.data()), &hash) != 1)
        fatal("OpenSSL failed to hash");
    zeroize(std::as_writable_bytes(std::span(&hash, 1)));
    wipe_stack<2048>(); // without SHA instructions the words of the key are there
    wipe_vector_registers();
}

} // namespace blkcrypto
