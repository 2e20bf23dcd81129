// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a bio is encrypted with: a configuration, a key, and the context that ties a bio to both
// (struct blk_crypto_config, blk_crypto_key and bio_crypt_ctx of include/linux/blk-crypto.h).
//
// A key is identified by its ADDRESS everywhere: two keys with the same bytes are two keys. It must stay
// where it is, unchanged, from start_using_key() until evict_key() has returned on every device it was
// started on.

#include "blkcrypto/base/result.hpp"
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/base/units.hpp"
#include "blkcrypto/block/dun.hpp"
#include "blkcrypto/cipher/crypto_mode.hpp"

#include <memory>

namespace blkcrypto {

/// Values as in the kernel (bit flags there). Hardware-wrapped keys are known so that they can be refused.
enum class crypto_key_type : std::uint8_t { raw = 1, hw_wrapped = 2 };

struct crypto_config {
    crypto_mode mode;
    data_unit_size unit_size;
    std::uint8_t dun_bytes; // upper bound of the significant bytes of any DUN used with the key: a capability
                            // check, never a mask on actual DUNs
    crypto_key_type key_type = crypto_key_type::raw;
};

/// What is asked of whoever holds keyed transforms: who the key is (its address), how it is used, and a way
/// to get at its bytes when nobody has them at hand. A crypto_key copies what it holds; a key that belongs to
/// an extent may compute it.
class key_request {
  public:
    const crypto_config& config() const noexcept { return config_; }

    /// Writes the key bytes, as many as they are, into `into`, which owns memory already. Allocates nothing.
    /// Called by whoever programs a slot or keys a tfm, under its lock.
    virtual std::error_code derive(secret& into) const noexcept = 0;

  protected:
    explicit key_request(const crypto_config& config) noexcept : config_(config) {}
    ~key_request() = default;
    key_request(const key_request&) = delete;
    key_request& operator=(const key_request&) = delete;

  private:
    const crypto_config config_;
};

/// A key whose bytes are at hand. Immutable.
class crypto_key final : public key_request {
  public:
    /// blk_crypto_init_key(). EINVAL, in this order: no such mode, a key type other than raw, a key that is
    /// not of the mode's size, dun_bytes 0 or wider than the mode's IV. (That the unit size is a power of two
    /// was checked when it was made.) ENOMEM. Equal halves of an XTS key are found when the key is
    /// programmed, as in the kernel.
    static result<std::unique_ptr<crypto_key>> make(bytes_view key, const crypto_config& config);

    std::error_code derive(secret& into) const noexcept override;

  private:
    crypto_key(const crypto_config& config, secret&& key) noexcept
        : key_request(config), key_(std::move(key)) {}
    const secret key_;
};

/// Part of a bio; without a key the bio is plain.
struct bio_crypt_ctx {
    const key_request* key = nullptr;
    dun first_dun;

    explicit operator bool() const noexcept { return key != nullptr; }
    data_unit_size unit_size() const noexcept { return key->config().unit_size; }

    /// __bio_crypt_advance(): a remainder of less than a data unit is dropped.
    void advance(std::uint64_t bytes) noexcept { first_dun += unit_size().units_in(bytes); }
};

} // namespace blkcrypto
