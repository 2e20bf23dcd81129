// SPDX-License-Identifier: Apache-2.0
#pragma once
// blk-crypto-fallback: encryption in software for devices that cannot do it (block/blk-crypto-fallback.c).
// This is the part that all threads share: the tfm source, the reserve of bounce memory, the lanes of the
// decrypt workers. The mechanics of a bio are in fallback_queue. An object, not globals: a process may have
// several.

#include "blkcrypto/block/kernel_generation.hpp"
#include "blkcrypto/inline_crypt/bounce_pool.hpp"
#include "blkcrypto/inline_crypt/tfm_source.hpp"

#include <memory>
#include <vector>

namespace blkcrypto {

struct fallback_options {
    kernel_generation kernel = {};        // how large the reserve of bounce memory is
    executor* decrypt_executor = nullptr; // where reads are decrypted; null: on the thread that polls
    unsigned decrypt_workers = 0;         // threads of that executor
};

class crypto_fallback {
  public:
    /// ENOMEM; EINVAL for a decrypt executor without workers. The executor outlives the fallback.
    static result<std::unique_ptr<crypto_fallback>> make(env& e, std::unique_ptr<tfm_source> tfms,
                                                         const fallback_options& options);

    /// blk_crypto_fallback_start_using_mode(): all allocation for keys of this mode happens here. Idempotent.
    /// ENOPKG: no implementation of the mode. EOPNOTSUPP: a hardware-wrapped key, a unit size or DUN too
    /// large.
    std::error_code start_using_key(env& e, const key_request& key);

    /// blk_crypto_fallback_evict_key(). EBUSY if bios still use it.
    std::error_code evict_key(env& e, const key_request& key) noexcept { return tfms_->evict(e, key); }

    const crypto_capabilities& capabilities() const noexcept { return tfms_->capabilities(); }
    bool supports(const crypto_config& config) const noexcept { return capabilities().supports(config); }
    tfm_source& tfms() noexcept { return *tfms_; }
    const fallback_options& options() const noexcept { return options_; }

    /// The global reserve, for a queue whose own bounce memory is all out: a chunk in one step or nothing.
    bounce_chunk try_get_reserve(env& e, std::uint32_t wanted_bytes, std::uint32_t least_bytes) noexcept;
    void put_reserve(env& e, const bounce_chunk& chunk) noexcept;
    /// For whoever looks for leaks.
    bool reserve_is_whole(env& e) noexcept;
    /// What the reserve can give at most, when all of it is there.
    std::uint32_t reserve_chunk_bytes_max() const noexcept { return reserve_chunk_bytes_max_; }
    /// Wakes `w` when the reserve may have `least_bytes`, no more than reserve_chunk_bytes_max().
    void wait_for_reserve(waiter& w, std::uint32_t least_bytes) noexcept;
    /// From a waiter that was woken and did not need the reserve after all: wakes the next.
    void pass_on_reserve_wake(env& e) noexcept { reserve_waiting_.wake_one(e); }
    /// False if the waiter was woken already: then the wake has to be passed on.
    bool leave_reserve_line(waiter& w) noexcept { return reserve_waiting_.remove(w); }

    /// The least lane index that nobody has, for a queue while it lives; the first ones belong to the
    /// workers.
    class taken_lane {
      public:
        explicit taken_lane(crypto_fallback& from) : from_(from), index_(from.take_lane_index()) {}
        ~taken_lane() { from_.give_lane_index_back(index_); }
        taken_lane(const taken_lane&) = delete;
        taken_lane& operator=(const taken_lane&) = delete;
        unsigned index() const noexcept { return index_; }

      private:
        crypto_fallback& from_;
        const unsigned index_;
    };
    cipher_lane& worker_lane(unsigned worker) noexcept { return worker_lanes_[worker]; }

  private:
    crypto_fallback(std::unique_ptr<tfm_source> tfms, const fallback_options& options, bounce_pool&& reserve);
    unsigned take_lane_index();
    void give_lane_index_back(unsigned index) noexcept;

    const std::unique_ptr<tfm_source> tfms_;
    const fallback_options options_;
    std::vector<cipher_lane> worker_lanes_;
    mutex lanes_lock_;
    std::vector<bool> lanes_taken_ BLKCRYPTO_GUARDED_BY(lanes_lock_);
    const std::uint32_t reserve_chunk_bytes_max_;
    mutex reserve_lock_;
    bounce_pool reserve_ BLKCRYPTO_GUARDED_BY(reserve_lock_);
    wait_list reserve_waiting_;
};

} // namespace blkcrypto
