// SPDX-License-Identifier: Apache-2.0
#pragma once
// HKDF-SHA512 (RFC 5869) for a key that is used again and again: the states of SHA-512 after the inner and
// the outer padded key are kept, so that deriving a key costs two compressions and no allocation. Used by
// key_derivation. The only file on OpenSSL's low-level SHA-512.

#include "blkcrypto/base/result.hpp"
#include "blkcrypto/base/secret.hpp"

namespace blkcrypto::fsdemo {

class hkdf_sha512 {
  public:
    /// Extracts; `key_material` stays the caller's to zeroize. An empty salt is as good as 64 zeros. ENOMEM.
    static result<hkdf_sha512> make(bytes_view key_material, bytes_view salt = {});

    /// Fills `out` with what expands of `info`, the pieces of which are hashed one after the other. At most
    /// 255 * 64 bytes. Allocates nothing, cannot fail, leaves nothing of the key on the stack. Not after
    /// wipe().
    void expand(std::span<const bytes_view> info, bytes_span out) const noexcept;

    /// Forgets the key.
    void wipe() noexcept { states_.wipe(); }

  private:
    explicit hkdf_sha512(secret&& states) noexcept : states_(std::move(states)) {}
    secret states_; // the inner one, then the outer
};

} // namespace blkcrypto::fsdemo
