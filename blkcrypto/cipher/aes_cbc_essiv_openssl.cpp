// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/aes_cbc_essiv_openssl.hpp"

#include "blkcrypto/cipher/essiv_key.hpp"
#include "blkcrypto/cipher/openssl_ivs.hpp"

#include <cerrno>

namespace blkcrypto {
namespace {

constinit openssl_algorithm data_algorithm("AES-128-CBC", essiv_data_key_bytes);
constinit openssl_algorithm iv_algorithm("AES-256-ECB", essiv_iv_key_bytes);

class aes_cbc_essiv_openssl final : public skcipher {
  public:
    aes_cbc_essiv_openssl(openssl_cipher&& data, openssl_cipher&& iv) noexcept
        : data_(std::move(data)), iv_(std::move(iv)) {}

    std::error_code setkey(bytes_view key) noexcept override {
        if (key.size() != essiv_data_key_bytes)
            return make_error(EINVAL);
        std::array<std::byte, essiv_iv_key_bytes> iv_key;
        derive_essiv_iv_key(key.first<essiv_data_key_bytes>(), iv_key);
        data_.setkey(key);
        iv_.setkey(iv_key);
        zeroize(iv_key);
        return {};
    }
    void forget() noexcept override {
        data_.forget();
        iv_.forget();
    }

  private:
    void crypt_units(cipher_direction direction, const unit_run& run,
                     cipher_lane& lane) const noexcept override {
        openssl_cipher::call data(data_, direction, lane);
        openssl_ivs ivs(iv_, run, lane);
        const std::size_t unit_bytes = run.unit_size.bytes();
        for (const auto& segment : run.segments)
            for (std::size_t at = 0; at < segment.length_bytes; at += unit_bytes) {
                data.set_iv(ivs.next());
                data.crypt(segment.source + at, segment.target + at, unit_bytes);
            }
    }

    openssl_cipher data_;
    openssl_cipher iv_; // encrypts only
};

} // namespace

result<std::unique_ptr<skcipher>> make_aes_cbc_essiv_openssl(unsigned lanes) {
    auto data = openssl_cipher::make(data_algorithm, lanes);
    if (data.has_error())
        return data.error();
    auto iv = openssl_cipher::make(iv_algorithm, lanes);
    if (iv.has_error())
        return iv.error();
    return std::unique_ptr<skcipher>(new aes_cbc_essiv_openssl(std::move(*data), std::move(*iv)));
}

} // namespace blkcrypto
