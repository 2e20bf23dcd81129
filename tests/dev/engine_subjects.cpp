// SPDX-License-Identifier: Apache-2.0
// The engine over memory, as it takes plain bios; and the same bios with a crypto context on each, through
// the engine, through the fallback, and through linear devices between.
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/dev/range_lock_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/dev/conformance.hpp"
#include "tests/dev/engine_rig.hpp"
#include "tests/dev/linear_layouts.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/test_seed.hpp"

#include <deque>
#include <doctest/doctest.h>

namespace blkcrypto::test {
namespace {

/// Owns an engine and what it stands on.
class engine_over_memory final : public block_device {
  public:
    engine_over_memory(sector capacity, unsigned keyslots)
        : env_(*thread_env::make()), memory_(*make_memory_device(capacity)),
          pool_(*worker_pool::make(1, "engine")),
          engine_(*make_inline_crypto_device(*memory_, engine_with(keyslots), *env_, {*pool_, 1})) {}

    const queue_limits& limits() const noexcept override { return engine_->limits(); }
    sector capacity() const noexcept override { return engine_->capacity(); }
    crypto_profile* profile() noexcept override { return engine_->profile(); }
    const crypto_capabilities* native_crypto() const noexcept override { return engine_->native_crypto(); }
    std::string describe() const override { return engine_->describe(); }
    result<std::unique_ptr<block_queue>> make_queue(env& e, const queue_options& options) override {
        return engine_->make_queue(e, options);
    }

  private:
    std::unique_ptr<thread_env> env_;
    std::unique_ptr<block_device> memory_;
    std::unique_ptr<worker_pool> pool_;
    std::unique_ptr<block_device> engine_;
};

/// Puts a context on each bio that has something to encrypt: the sector is the DUN.
class keyed_queue final : public block_queue {
  public:
    keyed_queue(const block_device& device, const crypto_key& key, std::unique_ptr<submit_queue> through,
                env& e, const queue_options& options)
        : block_queue(device, e, options), key_(key), through_(std::move(through)) {
        for (unsigned i = 0; i < bios_max; ++i)
            free_.push_back(&bios_.emplace_back(*this));
    }

    buffer_id register_buffer(bytes_span memory) noexcept override {
        return through_->register_buffer(memory);
    }

  private:
    static constexpr unsigned bios_max = 256;

    struct keyed_bio final : bio_end_io {
        explicit keyed_bio(keyed_queue& q) : queue(q) {}
        void end_io(bio& ended) noexcept override {
            queue.free_.push_back(this);
            queue.complete(*source, ended.status);
        }
        keyed_queue& queue;
        bio* source = nullptr;
        bio keyed;
    };

    void do_submit(bio& b) noexcept override {
        keyed_bio& k = *free_.back();
        free_.pop_back();
        k.source = &b;
        k.keyed.clone_from(b, k);
        if (b.has_plaintext())
            k.keyed.set_crypt_ctx(key_, dun(b.iter.start.value));
        through_->submit(k.keyed);
    }
    void do_poll() noexcept override { through_->poll(); }

    const crypto_key& key_;
    std::unique_ptr<submit_queue> through_;
    std::deque<keyed_bio> bios_;
    std::vector<keyed_bio*> free_;
};

class keyed_device final : public block_device {
  public:
    keyed_device(std::unique_ptr<block_device> lower, bool has_fallback)
        : env_(*thread_env::make()), lower_(std::move(lower)), random_(test_seed()), key_(random_, 512) {
        if (has_fallback)
            fallback_ = *crypto_fallback::make(*env_, *make_keyslot_tfms(*env_, 1, 1), {});
        REQUIRE_FALSE(start_using_key(*env_, *lower_, fallback_.get(), *key_.key));
    }

    const queue_limits& limits() const noexcept override { return lower_->limits(); }
    sector capacity() const noexcept override { return lower_->capacity(); }
    std::string describe() const override { return "all encrypted over " + lower_->describe(); }
    result<std::unique_ptr<block_queue>> make_queue(env& e, const queue_options& options) override {
        auto through = submit_queue::make(*lower_, fallback_.get(), e, options);
        if (!through)
            return through.error();
        return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
            return std::make_unique<keyed_queue>(*this, *key_.key, std::move(*through), e, options);
        });
    }

  private:
    std::unique_ptr<thread_env> env_;
    std::unique_ptr<block_device> lower_;
    std::unique_ptr<crypto_fallback> fallback_;
    random_source random_;
    test_key key_;
};

std::unique_ptr<block_device> make_engine(sector capacity) {
    return std::make_unique<engine_over_memory>(capacity, 100);
}

std::unique_ptr<block_device> make_keyed_engine_without_slots(sector capacity) {
    return std::make_unique<keyed_device>(std::make_unique<engine_over_memory>(capacity, 0), false);
}

std::unique_ptr<block_device> make_keyed_engine(sector capacity) {
    return std::make_unique<keyed_device>(make_engine(capacity), false);
}

std::unique_ptr<block_device> make_keyed_linear(sector capacity) {
    return std::make_unique<keyed_device>(make_linear_out_of_order(capacity, make_engine), false);
}

std::unique_ptr<block_device> make_keyed_stripes(sector capacity) {
    return std::make_unique<keyed_device>(make_linear_of_stripes(capacity, make_engine), false);
}

// One of the two lower devices has no engine: then the fallback above does the work for both.
std::unique_ptr<block_device> make_half_native(sector capacity) {
    const auto make_lower = [has_engine = false](sector size) mutable {
        has_engine = !has_engine;
        return has_engine ? make_engine(size) : *make_memory_device(size);
    };
    return std::make_unique<keyed_device>(make_linear_of_two(capacity, make_lower), true);
}

std::unique_ptr<block_device> make_keyed_range_locked(sector capacity) {
    device_list lowers;
    lowers.push_back(make_engine(capacity));
    const auto e = *thread_env::make();
    auto top = *make_range_lock_device(*lowers.front(), nullptr, *e);
    return std::make_unique<keyed_device>(std::make_unique<owning_device>(std::move(lowers), std::move(top)),
                                          false);
}

std::unique_ptr<block_device> make_keyed_fallback(sector capacity) {
    return std::make_unique<keyed_device>(*make_memory_device(capacity), true);
}

} // namespace

subject_list subjects() {
    return {{{"engine over memory", true, make_engine},
             {"engine over memory, encrypted", true, make_keyed_engine},
             {"engine without slots over memory, encrypted", true, make_keyed_engine_without_slots},
             {"fallback over memory, encrypted", true, make_keyed_fallback},
             {"linear over engines, encrypted", true, make_keyed_linear},
             {"stripes over engines, encrypted", true, make_keyed_stripes},
             {"range locks on an engine, encrypted", true, make_keyed_range_locked},
             {"fallback over linear over an engine and memory, encrypted", true, make_half_native}}};
}

} // namespace blkcrypto::test
