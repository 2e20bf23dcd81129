// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/aes_xts_openssl.hpp"

#include "blkcrypto/cipher/openssl_cipher.hpp"
#include "blkcrypto/cipher/xts_key.hpp"

namespace blkcrypto {
namespace {

constinit openssl_algorithm algorithm("AES-256-XTS", 64);

class aes_xts_openssl final : public skcipher {
  public:
    explicit aes_xts_openssl(openssl_cipher&& cipher) noexcept : cipher_(std::move(cipher)) {}

    std::error_code setkey(bytes_view key) noexcept override {
        if (const std::error_code refused = check_xts_key(key, algorithm.key_bytes()); refused)
            return refused;
        cipher_.setkey(key);
        return {};
    }
    void forget() noexcept override { cipher_.forget(); }

  private:
    void crypt_units(cipher_direction direction, const unit_run& run,
                     cipher_lane& lane) const noexcept override {
        openssl_cipher::call call(cipher_, direction, lane);
        const std::size_t unit_bytes = run.unit_size.bytes();
        iv_sequence next = run.ivs;
        for (const auto& segment : run.segments)
            for (std::size_t at = 0; at < segment.length_bytes; at += unit_bytes, next.skip(1)) {
                call.set_iv(next.next().little_endian().data());
                call.crypt(segment.source + at, segment.target + at, unit_bytes);
            }
    }

    openssl_cipher cipher_;
};

} // namespace

result<std::unique_ptr<skcipher>> make_aes_xts_openssl(unsigned lanes) {
    auto cipher = openssl_cipher::make(algorithm, lanes);
    if (cipher.has_error())
        return cipher.error();
    return std::unique_ptr<skcipher>(new aes_xts_openssl(std::move(*cipher)));
}

} // namespace blkcrypto
