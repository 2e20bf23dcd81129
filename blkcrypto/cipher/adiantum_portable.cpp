// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/adiantum_portable.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/base/secret_cells.hpp"
#include "blkcrypto/cipher/adiantum_keys.hpp"
#include "blkcrypto/cipher/openssl_cipher.hpp"
#include "blkcrypto/cipher/unit_cursor.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace blkcrypto {
namespace {

// clang-format off
#include "blkcrypto/cipher/vectors_portable.inc"
using wide = vectors;
#include "blkcrypto/cipher/chacha12_wide.inc"
#include "blkcrypto/cipher/adiantum_wide.inc"
// clang-format on

constinit openssl_algorithm block_algorithm("AES-256-ECB", adiantum_block_key_bytes);

struct openssl_block_cipher {
    const openssl_cipher& cipher;
    const cipher_lane& lane;

    void encrypt(std::byte (&blocks)[lanes][end_bytes]) const noexcept {
        crypt(cipher_direction::encrypt, blocks);
    }
    void decrypt(std::byte (&blocks)[lanes][end_bytes]) const noexcept {
        crypt(cipher_direction::decrypt, blocks);
    }

  private:
    void crypt(cipher_direction direction, std::byte (&blocks)[lanes][end_bytes]) const noexcept {
        openssl_cipher::call(cipher, direction, lane).crypt(blocks[0], blocks[0], sizeof(blocks));
    }
};

secret_cells& key_cells() {
    static secret_cells cells(sizeof(adiantum_keys), secret_cells::locking::unlocked);
    return cells;
}

struct key_cell_deleter {
    void operator()(adiantum_keys* keys) const noexcept {
        key_cells().give_back(reinterpret_cast<std::byte*>(keys));
    }
};
using key_cell = std::unique_ptr<adiantum_keys, key_cell_deleter>;

class adiantum_portable final : public skcipher {
  public:
    adiantum_portable(key_cell&& keys, openssl_cipher&& block) noexcept
        : keys_(std::move(keys)), block_(std::move(block)) {}

    std::error_code setkey(bytes_view key) noexcept override {
        if (key.size() != adiantum_key_bytes)
            return make_error(EINVAL);
        std::array<std::byte, adiantum_block_key_bytes> block_key;
        derive_adiantum_keys(key.first<adiantum_key_bytes>(), *keys_, block_key);
        block_.setkey(block_key);
        zeroize(block_key);
        return {};
    }
    void forget() noexcept override {
        zeroize({reinterpret_cast<std::byte*>(keys_.get()), sizeof(adiantum_keys)});
        block_.forget();
    }

  private:
    void crypt_units(cipher_direction direction, const unit_run& run,
                     cipher_lane& lane) const noexcept override {
        if (!block_.has_key())
            fatal("crypt with a tfm that has no key");
        const openssl_block_cipher block{block_, lane};
        if (direction == cipher_direction::encrypt)
            blkcrypto::crypt_units<cipher_direction::encrypt>(*keys_, block, run);
        else
            blkcrypto::crypt_units<cipher_direction::decrypt>(*keys_, block, run);
        blkcrypto::wipe_stack<7168>();
        wipe_vector_registers();
    }

    key_cell keys_;
    openssl_cipher block_;
};

} // namespace

result<std::unique_ptr<skcipher>> make_adiantum_portable(unsigned lanes_wanted) {
    auto block = openssl_cipher::make(block_algorithm, lanes_wanted);
    if (block.has_error())
        return block.error();
    std::byte* cell = key_cells().take();
    if (cell == nullptr)
        return make_error(ENOMEM);
    key_cell keys(new (cell) adiantum_keys);
    return std::unique_ptr<skcipher>(new adiantum_portable(std::move(keys), std::move(*block)));
}

} // namespace blkcrypto
