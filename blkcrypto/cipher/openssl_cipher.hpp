// SPDX-License-Identifier: Apache-2.0
#pragma once
// A cipher of OpenSSL's with a key, used by any number of threads. What the implementations that stand on
// OpenSSL (aes_xts_openssl and others) are made of; nobody else uses it.
//
// An EVP context carries an IV and so serves one thread at a time. There is one of each direction per lane; a
// lane's contexts are keyed when the lane first uses the key, and whenever a new key replaces one they hold.

#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/skcipher.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <openssl/evp.h>
#include <vector>

namespace blkcrypto {

/// An algorithm by its name in OpenSSL, for static memory: fetched once and never given back.
class openssl_algorithm {
  public:
    constexpr openssl_algorithm(const char* name, std::size_t key_bytes)
        : name_(name), key_bytes_(key_bytes) {}

    /// Null: this OpenSSL lacks it, or memory is short; so it is tried again.
    const EVP_CIPHER* fetch() noexcept;
    std::size_t key_bytes() const noexcept { return key_bytes_; }

  private:
    const char* name_;
    std::size_t key_bytes_;
    std::atomic<const EVP_CIPHER*> fetched_{nullptr};
};

class openssl_cipher {
  public:
    /// ENOPKG: OpenSSL lacks it. ENOMEM.
    static result<openssl_cipher> make(openssl_algorithm& algorithm, unsigned lanes);

    /// `key` has the algorithm's length and is one that it accepts; the caller has looked. Allocates nothing.
    void setkey(bytes_view key) noexcept;
    /// As skcipher::forget().
    void forget() noexcept;
    bool has_key() const noexcept { return has_key_; }

    class call;

  private:
    struct context_deleter {
        void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
    };
    struct alignas(64) evp_lane {
        std::atomic_flag busy;
        std::array<std::unique_ptr<EVP_CIPHER_CTX, context_deleter>, 2> contexts; // by direction
        std::array<bool, 2> keyed{}; // by direction: holds the current key
    };

    openssl_cipher(std::vector<evp_lane>&& lanes, secret&& key) noexcept
        : lanes_(std::move(lanes)), key_(std::move(key)) {}
    void rekey(evp_lane& lane, std::size_t direction) const noexcept;

    mutable std::vector<evp_lane> lanes_;
    secret key_;
    bool has_key_ = false;
};

/// Holds a lane of a cipher that has a key, for one direction. Two threads wait for each other only where
/// there are fewer lanes than threads.
class openssl_cipher::call {
  public:
    call(const openssl_cipher& cipher, cipher_direction direction, const cipher_lane& lane) noexcept;
    ~call();
    call(const call&) = delete;
    call& operator=(const call&) = delete;

    /// For modes that have an IV.
    void set_iv(const std::byte* iv) noexcept;

    /// Whole blocks; the target is the source or does not overlap it.
    void crypt(const std::byte* source, std::byte* target, std::size_t bytes) noexcept;

  private:
    evp_lane& lane_;
    EVP_CIPHER_CTX* context_;
};

} // namespace blkcrypto
