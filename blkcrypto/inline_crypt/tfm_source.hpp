// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a keyed transform comes from. The fallback knows how to bounce, crypt, submit and complete; when, in
// which context and out of which pool the tfm for a key is made is the question this interface leaves open.
// Keyslots with preallocated tfms (keyslot_tfms) are the first answer.

#include "blkcrypto/block/crypto_capabilities.hpp"
#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/inline_crypt/acquisition.hpp"

namespace blkcrypto {

/// A tfm with the wanted key, on loan until release().
struct tfm_lease {
    const skcipher* tfm = nullptr;
    std::uintptr_t cookie = 0; // the source's
};

struct tfm_grant {
    acquire_outcome outcome;
    tfm_lease lease{};                  // if ready
    blk_status status = blk_status::ok; // if failed
};

class tfm_source {
  public:
    virtual ~tfm_source() = default;

    /// What it can find tfms for.
    virtual const crypto_capabilities& capabilities() const noexcept = 0;

    /// Does whatever must not be done in the I/O path for keys of this configuration: may allocate, may
    /// sleep. Once per configuration is enough. It is called again for each of its keys, in the I/O path too,
    /// and finds nothing left to do then. ENOPKG: no implementation of the mode. ENOMEM.
    virtual std::error_code start_using(env& e, const crypto_config& config) = 0;

    /// True once start_using() has succeeded for it.
    virtual bool is_started(const crypto_config& config) const noexcept = 0;

    /// In the I/O path; any thread.
    virtual tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept = 0;
    virtual void release(env& e, const tfm_lease& lease) noexcept = 0;

    /// The key's owner is about to free it: no copy of it may stay. EBUSY if it is in use.
    virtual std::error_code evict(env& e, const key_request& key) noexcept = 0;
};

} // namespace blkcrypto
