// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/openssl_ivs.hpp"

#include <algorithm>
#include <cstring>

namespace blkcrypto {

const std::byte* openssl_ivs::next() noexcept {
    if (used_ == size_)
        encrypt_batch();
    return ivs_ + block_bytes * used_++;
}

void openssl_ivs::encrypt_batch() noexcept {
    size_ = static_cast<std::size_t>(std::min<std::uint64_t>(left_, batch));
    for (std::size_t i = 0; i < size_; ++i, next_.skip(1))
        std::memcpy(ivs_ + i * block_bytes, next_.next().little_endian().data(), block_bytes);
    call_.crypt(ivs_, ivs_, size_ * block_bytes);
    left_ -= size_;
    used_ = 0;
}

} // namespace blkcrypto
