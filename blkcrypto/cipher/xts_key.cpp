// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/xts_key.hpp"

#include "blkcrypto/base/result.hpp"

#include <cerrno>

namespace blkcrypto {
namespace {

// Word by word to the end, whatever is found: OpenSSL's comparison goes by bytes, which takes nearly half as
// long as expanding the key. Halves are whole words.
bool are_equal(const std::byte* a, const std::byte* b, std::size_t bytes) noexcept {
    std::uint64_t difference = 0;
    for (std::size_t at = 0; at < bytes; at += sizeof(difference)) {
        difference |= load_little<std::uint64_t>(a + at) ^ load_little<std::uint64_t>(b + at);
        asm("" : "+r"(difference)); // to the compiler there is nothing to be known of it yet
    }
    return difference == 0;
}

} // namespace

std::error_code check_xts_key(bytes_view key, std::size_t key_bytes) noexcept {
    const std::size_t half = key_bytes / 2;
    if (key.size() != key_bytes || are_equal(key.data(), key.data() + half, half))
        return make_error(EINVAL);
    return {};
}

} // namespace blkcrypto
