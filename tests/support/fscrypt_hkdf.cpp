// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fscrypt_hkdf.hpp"

#include <algorithm>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace blkcrypto::test {
namespace {

std::vector<std::byte> hmac_sha512(bytes_view key, bytes_view message) {
    static constexpr unsigned char no_key = 0; // null would mean the key of the call before
    std::vector<std::byte> code(64);
    unsigned size = 0;
    HMAC(EVP_sha512(), key.empty() ? &no_key : reinterpret_cast<const unsigned char*>(key.data()),
         static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()), message.size(),
         reinterpret_cast<unsigned char*>(code.data()), &size);
    return code;
}

void append(std::vector<std::byte>& to, bytes_view more) {
    to.insert(to.end(), more.begin(), more.end());
}

} // namespace

std::vector<std::byte> hkdf_sha512_extract(bytes_view key_material, bytes_view salt) {
    return hmac_sha512(salt, key_material);
}

std::vector<std::byte> hkdf_sha512(bytes_view key_material, bytes_view salt, bytes_view info,
                                   std::size_t size_bytes) {
    const auto pseudorandom_key = hkdf_sha512_extract(key_material, salt);
    std::vector<std::byte> derived, block;
    for (unsigned number = 1; derived.size() < size_bytes; ++number) {
        append(block, info);
        block.push_back(static_cast<std::byte>(number));
        block = hmac_sha512(pseudorandom_key, block);
        append(derived, block);
    }
    derived.resize(size_bytes);
    return derived;
}

std::vector<std::byte> fscrypt_derive(bytes_view master_key, fscrypt_context context, bytes_view info,
                                      std::size_t size_bytes) {
    static constexpr char prefix[] = "fscrypt"; // with its 0
    std::vector<std::byte> full_info;
    append(full_info, std::as_bytes(std::span(prefix)));
    full_info.push_back(static_cast<std::byte>(context));
    append(full_info, info);
    return hkdf_sha512(master_key, {}, full_info, size_bytes);
}

} // namespace blkcrypto::test
