// SPDX-License-Identifier: Apache-2.0
#pragma once
// The engine of an inline_crypto_device: its keyslots, what it crypts with, when it is done under a virtual
// clock. All queues of the device share it. An engine without keyslots is given the key with each command
// (samsung-fmp: the key is in the descriptor) and forgets it when the batch is done.

#include "blkcrypto/base/mutex.hpp"
#include "blkcrypto/block/bio.hpp"
#include "blkcrypto/dev/engine_profile.hpp"
#include "blkcrypto/inline_crypt/slot_tfms.hpp"

#include <condition_variable>
#include <memory>
#include <vector>

namespace blkcrypto {

/// Where the engine runs. Threads of the executor are numbered 0 .. workers-1.
struct engine_executor {
    executor& runs_on;
    unsigned workers;
};

/// A stretch of a bio for the engine.
struct engine_work {
    const bio& source;
    keyslot_index slot; // no_keyslot: the key travels with the command
    bvec_iter& at;      // the first data unit not yet crypted; moved on
    dun& at_dun;
    std::uint32_t bytes;
    std::byte* target;  // null: in place
    env& clock;         // for the stamps
    bio_stamps* stamps; // null: nobody asks; they get the time of a key that comes with the command
};

class crypto_engine {
  public:
    /// ENOPKG: no mode of the profile has an implementation. ENOMEM; EINVAL: no worker.
    static result<std::unique_ptr<crypto_engine>> make(env& e, const engine_profile& model,
                                                       const engine_executor& where);

    const engine_profile& model() const noexcept { return model_; }
    crypto_profile& profile() noexcept { return *profile_; }
    executor& runs_on() noexcept { return runs_on_; }

    /// What a worker does between taking a batch of commands and giving it back. A reset waits for the
    /// batches that run, and no other begins while one waits.
    class batch_scope {
      public:
        batch_scope(crypto_engine& engine, unsigned worker) noexcept : engine_(engine), worker_(worker) {
            engine_.begin_batch();
        }
        ~batch_scope() {
            engine_.forget_key_of(worker_);
            engine_.end_batch();
        }
        batch_scope(const batch_scope&) = delete;
        batch_scope& operator=(const batch_scope&) = delete;

        /// inval or another error of the key, where it came with the command; ioerr if the slot has lost its
        /// key.
        blk_status crypt(const engine_work& work) noexcept { return engine_.crypt(work, worker_); }

      private:
        crypto_engine& engine_;
        const unsigned worker_;
    };

    /// The controller is reset: all keyslots lose their keys and are programmed again before the next batch
    /// runs. The first error of programming; commands whose key is lost by it end with ioerr.
    std::error_code reset(env& e) noexcept;

    /// Modelled, under a virtual clock: when the engine is done with work that it is given now.
    std::uint64_t finish_time(std::uint64_t now_ns, std::uint64_t bytes) noexcept;

  private:
    /// The slots as their profile sees them: programming or evicting one takes the engine's time.
    struct slot_ops final : crypto_ll_ops {
        explicit slot_ops(crypto_engine& e) : engine(e) {}
        std::error_code keyslot_program(const key_request& key, keyslot_index slot,
                                        acquire_context& asker) noexcept override;
        std::error_code keyslot_evict(env& e, const key_request* key, keyslot_index slot) noexcept override;
        void keyslots_lost() noexcept override;
        crypto_engine& engine;
    };

    /// What a worker of an engine without keyslots crypts with.
    struct command_key {
        std::unique_ptr<slot_tfms> tfms; // of one slot
        const key_request* key = nullptr;
    };

    crypto_engine(const engine_profile& model, const engine_executor& where);
    std::error_code make_slots(env& e, const crypto_capabilities& can, unsigned workers);
    blk_status crypt(const engine_work& work, unsigned worker) noexcept;
    result<const skcipher*> tfm_for(const engine_work& work, unsigned worker) noexcept;
    void forget_key_of(unsigned worker) noexcept;
    void begin_batch() noexcept;
    void end_batch() noexcept;
    void take_time(env& e, std::uint64_t cost_ns) noexcept;

    const engine_profile model_;
    executor& runs_on_;
    std::vector<cipher_lane> lanes_;        // by worker
    std::vector<command_key> command_keys_; // by worker; without keyslots
    std::unique_ptr<slot_tfms> slots_;      // null without keyslots
    slot_ops ops_;
    std::unique_ptr<crypto_profile> profile_;
    mutex gate_; // between batches and resets; before the profile's lock
    std::condition_variable_any gate_changed_;
    unsigned batches_running_ BLKCRYPTO_GUARDED_BY(gate_) = 0;
    unsigned resets_waiting_ BLKCRYPTO_GUARDED_BY(gate_) = 0;
    std::uint64_t busy_until_ns_ = 0; // under a virtual clock, that is, on one thread
};

} // namespace blkcrypto
