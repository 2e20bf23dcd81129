// SPDX-License-Identifier: Apache-2.0
#pragma once
// Transforms of one mode, a fixed number, allocated before any I/O. One that is idle keeps the key it had
// until it is taken for another: the one that was released longest ago is stolen first. When all are in use
// the asker parks; with a single one everybody gets on, one after the other.
//
// A pool may look for the transform an extent had last and, if nobody has stolen it, lend it as it is (what
// prepared-map does); or key the one it takes each time (what the pools do that keep no map).

#include "blkcrypto/base/mutex.hpp"
#include "fsdemo/strategies/crypto_api.hpp"

#include <vector>

namespace blkcrypto::fsdemo {

class transform_pool {
  public:
    enum class reuse : std::uint8_t {
        never, // each use of a transform derives and sets a key
        found  // an extent may find its own; any number of leases of it at once
    };

    /// ENOMEM, and then nothing is left; ENOPKG. `memory` is `api`'s and outlives the pool.
    static result<std::unique_ptr<transform_pool>> make(env& e, crypto_api& api, transform_memory& memory,
                                                        crypto_mode mode, unsigned size, reuse how);
    /// Nothing is on loan.
    ~transform_pool();
    transform_pool(const transform_pool&) = delete;
    transform_pool& operator=(const transform_pool&) = delete;

    /// As tfm_source's. The lease's cookie leads release() to the pool.
    tfm_grant acquire(const extent_crypt_info& extent, acquire_context& asker) noexcept;
    static void release(env& e, const tfm_lease& lease) noexcept;
    /// EBUSY: one with the key is on loan; it forgets the key when it comes back.
    std::error_code evict(env& e, const extent_crypt_info& extent) noexcept;

    unsigned size() const noexcept { return static_cast<unsigned>(transforms_.size()); }
    /// For whoever looks for leaks.
    unsigned on_loan(env& e) noexcept;

  private:
    friend struct transform_pool_checker; // of the tests: looks at the transforms as they are

    struct place {
        std::unique_ptr<skcipher> tfm;
        transform_pool* pool = nullptr;
        unsigned leases = 0;
        const extent_crypt_info* owner = nullptr; // whose key it has; null: nobody's
        // Of those that have the same extent's key, which the extent leads to.
        place* previous_of_owner = nullptr;
        place* next_of_owner = nullptr;
        bool forgets_on_release = false; // its key was evicted meanwhile
        // Of those that are idle, in the order they were released.
        place* older = nullptr;
        place* newer = nullptr;
    };

    using transform_list = std::vector<std::unique_ptr<skcipher>>;
    transform_pool(transform_memory& memory, crypto_mode mode, reuse how, transform_list&& transforms);
    tfm_grant take(const extent_crypt_info& extent, acquire_context& asker) noexcept;
    tfm_grant key(place& taken, const extent_crypt_info& extent, acquire_context& asker) noexcept;
    void give_back(env& e, place& returned) noexcept;
    void pass_on_wake(env& e) noexcept BLKCRYPTO_EXCLUDES(lock_);
    place* lend_found(const extent_crypt_info& extent) noexcept BLKCRYPTO_REQUIRES(lock_);
    place* take_oldest() noexcept BLKCRYPTO_REQUIRES(lock_);
    void unlink(place& idle) noexcept BLKCRYPTO_REQUIRES(lock_);
    void put_newest(place& idle) noexcept BLKCRYPTO_REQUIRES(lock_);
    void put_oldest(place& idle) noexcept BLKCRYPTO_REQUIRES(lock_);
    static void give_owner(place& p, const extent_crypt_info& extent) noexcept;
    static void take_owner(place& p) noexcept;

    transform_memory& memory_;
    const crypto_mode mode_;
    const reuse reuse_;
    mutex lock_;
    wait_list waiting_;
    std::vector<place> transforms_; // all but their tfm under lock_
    place* oldest_ BLKCRYPTO_GUARDED_BY(lock_) = nullptr;
    place* newest_ BLKCRYPTO_GUARDED_BY(lock_) = nullptr;
};

} // namespace blkcrypto::fsdemo
