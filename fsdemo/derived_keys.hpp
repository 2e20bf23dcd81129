// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys that were derived, kept while there is room: (master key, nonce, mode) -> the bytes, so that who sets
// an extent's key up again need not expand it again. A switch beside the strategies: any of them works with
// it and without. A fixed number of places, all made up front; the key not used for longest makes room.
//
// The filesystem's thread uses it, and an engine's thread that derives the key of a command: hence the lock,
// under which nothing is waited for and nothing allocated.

#include "blkcrypto/base/env.hpp"
#include "fsdemo/keyring.hpp"
#include "fsdemo/nonce_index.hpp"

#include <memory>
#include <vector>

namespace blkcrypto::fsdemo {

struct cache_counters {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t evictions = 0; // of the misses, those in the place of another
};

class derived_keys {
  public:
    static constexpr unsigned capacity_max = 1 << 20; // that a user can ask for

    /// EINVAL for no places. ENOMEM.
    static result<std::unique_ptr<derived_keys>> make(env& e, unsigned capacity);
    /// The memory that so many take.
    static constexpr std::uint64_t bytes_for(std::uint64_t capacity) noexcept {
        return capacity * (sizeof(place) + secret::capacity) + nonce_index::bytes_for(capacity);
    }

    /// The extent's key, of as many bytes as the mode's has, into `out`: from here, or derived and kept here.
    /// Allocates nothing.
    void get(const master_key& master, const crypto_nonce& nonce, crypto_mode mode, bytes_span out) noexcept;

    /// All that were derived from it.
    void forget(const master_key& master) noexcept;

    cache_counters counters() const noexcept;

  private:
    struct place {
        secret bytes;
        const master_key* master = nullptr; // null: free
        crypto_nonce nonce{};
        crypto_mode mode = crypto_mode::invalid;
    };

    explicit derived_keys(std::vector<place>&& places);
    std::uint32_t find(const master_key& master, const crypto_nonce& nonce, crypto_mode mode) const noexcept
        BLKCRYPTO_REQUIRES(lock_);
    bool copy_known(const master_key& master, const crypto_nonce& nonce, crypto_mode mode, bytes_span out)
        BLKCRYPTO_REQUIRES(lock_);
    void keep(const master_key& master, const crypto_nonce& nonce, crypto_mode mode, bytes_view bytes)
        BLKCRYPTO_REQUIRES(lock_);
    void vacate(std::uint32_t index) noexcept BLKCRYPTO_REQUIRES(lock_);

    mutable mutex lock_;
    std::vector<place> places_ BLKCRYPTO_GUARDED_BY(lock_);
    nonce_index index_ BLKCRYPTO_GUARDED_BY(lock_);
    cache_counters counters_ BLKCRYPTO_GUARDED_BY(lock_);
};

} // namespace blkcrypto::fsdemo
