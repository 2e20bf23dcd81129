// SPDX-License-Identifier: Apache-2.0
// Real threads, each a mount with extents of its own, over one pool. What the explorer of their orders cannot
// see: that memory is ordered, and that a thread that sleeps wakes.
#include "blkcrypto/base/thread_env.hpp"
#include "fsdemo/strategies/strategy_table.hpp"
#include "fsdemo/strategies/transform_pool.hpp"
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/support/counted_waiter.hpp"
#include "tests/support/test_seed.hpp"

#include <atomic>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

using reuse = transform_pool::reuse;
constexpr crypto_mode mode = crypto_mode::aes_256_xts;
constexpr unsigned thread_count = 3;
constexpr unsigned uses = 2000;
constexpr unsigned extents_each = 4;
constexpr unsigned uses_in_a_row = 3; // of an extent
using unit = std::array<std::byte, 512>;

/// What the threads tell each other.
struct shared_counts {
    std::atomic<unsigned> wrong{0};
    std::atomic<unsigned> parked{0};
    std::atomic<bool> is_held{false}; // by the first thread, which waits until another has parked
};

class pool_user {
  public:
    pool_user(unsigned number, transform_pool& pool, shared_counts& counts)
        : number_(number), pool_(pool), counts_(counts), lane_(number),
          medium_(sector{64}, completion_order::as_submitted, 1),
          fallback_(*crypto_fallback::make(*e_, *make_full_in_io(*e_, {}), {})),
          keys_(*extent_keys::make({*e_, medium_, fallback_.get(), *e_}, {.capacity = extents_each})) {
        const auto bytes = master_key_bytes(number);
        master_ = *ring_.get(*ring_.add(bytes), 16);
        for (unsigned n = 0; n < extents_each; ++n)
            add_extent(n);
    }
    ~pool_user() {
        for (extent_crypt_info* const extent : extents_) {
            counts_.wrong += pool_.evict(*e_, *extent) ? 1U : 0U;
            keys_->put(*extent);
        }
    }

    void run() {
        while (number_ != 0 && !counts_.is_held)
            std::this_thread::yield();
        for (unsigned n = 0; n < uses; ++n) {
            const unsigned which = n / uses_in_a_row % extents_each;
            const tfm_grant grant = acquire(*extents_[which]);
            if (number_ == 0 && n == 0)
                wait_for_another();
            counts_.wrong += crypt(*grant.lease.tfm) != expected_[which] ? 1U : 0U;
            transform_pool::release(*e_, grant.lease);
        }
    }

  private:
    void add_extent(std::uint64_t number) {
        crypto_nonce nonce{};
        store_little(nonce.data(), number);
        extents_[number] = keys_->get(*master_, nonce, {mode, *data_unit_size::make(512), 4}).key;
        std::array<std::byte, 64> key;
        master_->derive(hkdf_context::per_extent_enc_key, nonce, key);
        const auto tfm = *make_skcipher(mode, 1);
        (void)tfm->setkey(key);
        expected_[number] = crypt(*tfm);
    }
    unit crypt(const skcipher& tfm) {
        unit data;
        data.fill(std::byte{0x5a});
        const cipher_segment segment{data.data(), data.data(), data.size()};
        tfm.crypt(cipher_direction::encrypt, {uint256(7)}, *data_unit_size::make(512), {&segment, 1}, lane_);
        return data;
    }
    tfm_grant acquire(const extent_crypt_info& extent) {
        for (;;) {
            acquire_context asker{*e_, parked_, counters_};
            const tfm_grant grant = pool_.acquire(extent, asker);
            if (grant.outcome != acquire_outcome::parked)
                return grant;
            ++counts_.parked;
            while (e_->run_ready() == 0)
                e_->sleep();
        }
    }
    // With the only transform on loan the next who asks parks.
    void wait_for_another() {
        counts_.is_held = true;
        while (pool_.size() == 1 && counts_.parked == 0)
            std::this_thread::yield();
    }

    const unsigned number_;
    transform_pool& pool_;
    shared_counts& counts_;
    cipher_lane lane_;
    const std::unique_ptr<thread_env> e_ = thread_env::make().value();
    simulated_device medium_;
    const std::unique_ptr<crypto_fallback> fallback_;
    keyring ring_;
    master_key_ref master_;
    const std::unique_ptr<extent_keys> keys_;
    std::array<extent_crypt_info*, extents_each> extents_{};
    std::array<unit, extents_each> expected_;
    counted_waiter parked_{*e_};
    keyslot_counters counters_;
};

} // namespace

TEST_CASE("threads that share a pool all get on, each with its own key in the transform, whoever waits") {
    transform_memory memory(0, thread_count);
    crypto_api api(memory);
    simulated_env making(test_seed());
    for (const reuse how : {reuse::never, reuse::found})
        for (const unsigned size : {1U, 2U}) {
            const auto pool = *transform_pool::make(making, api, memory, mode, size, how);
            shared_counts counts;
            std::vector<std::thread> threads;
            for (unsigned n = 0; n < thread_count; ++n)
                threads.emplace_back([&, n] { pool_user(n, *pool, counts).run(); });
            for (std::thread& t : threads)
                t.join();
            CHECK(counts.wrong == 0);
            CHECK(pool->on_loan(making) == 0);
            CHECK((size == 1) <= (counts.parked > 0));
        }
}
