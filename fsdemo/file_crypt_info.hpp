// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the extents of an open file have in common: their master key and how they are encrypted (the
// fscrypt_inode_info of a file whose extents have keys of their own).

#include "blkcrypto/block/crypto_key.hpp"
#include "fsdemo/keyring.hpp"
#include "fsdemo/nonce_index.hpp"

namespace blkcrypto::fsdemo {

struct file_crypt_info {
    file_crypt_info(master_key_ref&& key, const crypto_config& how) noexcept
        : master(std::move(key)), config(how) {}
    file_crypt_info(const file_crypt_info&) = delete;
    file_crypt_info& operator=(const file_crypt_info&) = delete;

    const master_key_ref master;
    const crypto_config config;
    void* of_strategy = nullptr; // what the key_strategy in use keeps for the file while it is open

  private:
    friend class extent_keys;
    std::uint32_t first_extent_ = nonce_index::none; // of those that belong to the file
};

} // namespace blkcrypto::fsdemo
