// SPDX-License-Identifier: Apache-2.0
#pragma once
// The IVs of a run, encrypted by a block cipher of OpenSSL's, several in a call of it: what ESSIV has instead
// of IVs, and the first tweaks of XTS.

#include "blkcrypto/cipher/openssl_cipher.hpp"

namespace blkcrypto {

class openssl_ivs {
  public:
    static constexpr std::size_t block_bytes = 16;

    /// `cipher` has a key; what it has of the lane is held as long as this is there.
    openssl_ivs(const openssl_cipher& cipher, const unit_run& run, const cipher_lane& lane) noexcept
        : call_(cipher, cipher_direction::encrypt, lane), next_(run.ivs), left_(run.units) {}

    ~openssl_ivs() { zeroize(ivs_); }
    openssl_ivs(const openssl_ivs&) = delete;
    openssl_ivs& operator=(const openssl_ivs&) = delete;

    /// block_bytes of the next unit, of which there is one; they stay until the next call.
    const std::byte* next() noexcept;

  private:
    static constexpr std::size_t batch = 16;

    void encrypt_batch() noexcept;

    openssl_cipher::call call_;
    iv_sequence next_;   // of the first unit not yet in a batch
    std::uint64_t left_; // such units
    std::byte ivs_[batch * block_bytes];
    std::size_t size_ = 0; // of those, encrypted
    std::size_t used_ = 0;
};

} // namespace blkcrypto
