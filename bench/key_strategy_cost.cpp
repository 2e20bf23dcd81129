// SPDX-License-Identifier: Apache-2.0
// What does it cost to get an extent's transform and give it back? AES-256-XTS, no I/O; extents' infos are
// kept, derived keys are not.
//
//   strategy/hit/NAME    of an extent that has one
//   strategy/miss/NAME   of one that has none any more: 256 extents in turn, and room for 64
//   strategy/setup       derive and setkey alone, of the same 256 extents: what a miss cannot be cheaper than
//   strategy/allocate    make_skcipher() and its end
//
// Pools without a map have no hits; the strategies that keep a transform for each info have misses only with
// the info, which is then new as well.

#include "bench/micro.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/null_device.hpp"
#include "fsdemo/strategies/key_setup.hpp"
#include "fsdemo/strategies/strategy_table.hpp"

#include <cstdlib>

namespace blkcrypto::bench {
namespace {

using namespace fsdemo;

constexpr unsigned room = 64;
constexpr unsigned extents_max = 256;
constexpr strategy_options sizes{.pool_size = room, .keyslots = room};

crypto_nonce nonce_of(std::uint64_t number) {
    crypto_nonce nonce{};
    store_little(nonce.data(), number * 0x9e3779b97f4a7c15); // in another bucket each
    return nonce;
}

struct never_posted final : waiter {
    using waiter::waiter;
    void run(unsigned) noexcept override { std::abort(); }
};

/// A strategy, an open file, and infos of its extents.
class strategy_rig {
  public:
    strategy_rig(const strategy_info& strategy, unsigned infos)
        : file_(ring_.get(*ring_.add(std::as_bytes(std::span("a master key of 32 bytes and some"))), 16)
                    .value(),
                {crypto_mode::aes_256_xts, data_unit_size::make(4096).value(), 3}) {
        auto made = strategy.make(*env_, sizes).value();
        strategy_ = made.get();
        fallback_ = crypto_fallback::make(*env_, std::move(made), {}).value();
        keys_ = extent_keys::make({*env_, *device_, fallback_.get(), *env_, strategy_}, {.capacity = infos})
                    .value();
        if (strategy_->start_using(*env_, file_.config) || keys_->reserve_memory(file_.config.mode) ||
            strategy_->file_opened(*env_, file_))
            std::abort();
    }
    ~strategy_rig() {
        keys_->forget(file_);
        strategy_->file_closed(*env_, file_);
        keys_.reset();
    }

    /// Whole: info, transform, and both back.
    void use(std::uint64_t extent) {
        const auto info = keys_->get(*file_.master, nonce_of(extent), file_.config,
                                     strategy_->traits().infos_are_of_files ? &file_ : nullptr);
        acquire_context asker{*env_, parked_, counters_};
        const tfm_grant grant = strategy_->acquire(*info.key, asker);
        if (grant.outcome != acquire_outcome::ready)
            std::abort();
        benchmark::DoNotOptimize(grant.lease.tfm);
        strategy_->release(*env_, grant.lease);
        keys_->put(*info.key);
    }
    /// Derive and setkey, and nothing that a hit has too.
    void set_up(const extent_crypt_info& extent, skcipher& transform) {
        if (set_key(transform, extent, *env_))
            std::abort();
    }
    /// Until put().
    extent_crypt_info& get(std::uint64_t extent) {
        return *keys_->get(*file_.master, nonce_of(extent), file_.config).key;
    }
    void put(extent_crypt_info& extent) { keys_->put(extent); }
    const keyslot_counters& counters() const { return counters_; }

  private:
    std::unique_ptr<thread_env> env_ = thread_env::make().value();
    std::unique_ptr<block_device> device_ = make_null_device(sector{1 << 20});
    keyring ring_;
    file_crypt_info file_;
    key_strategy* strategy_ = nullptr;
    std::unique_ptr<crypto_fallback> fallback_;
    std::unique_ptr<extent_keys> keys_;
    never_posted parked_{*env_};
    keyslot_counters counters_;
};

void run_uses(benchmark::State& state, const strategy_info& strategy, unsigned extents, unsigned infos) {
    strategy_rig rig(strategy, infos);
    for (unsigned n = 0; n < extents; ++n)
        rig.use(n);
    const std::uint64_t hits_before = rig.counters().hits;
    std::uint64_t next = 0;
    for (auto _ : state)
        for (unsigned i = 0; i < extents_max; ++i)
            rig.use(next++ % extents);
    count(state, extents_max);
    const bool is_hit = rig.counters().hits != hits_before;
    if (is_hit != (extents <= room))
        state.SkipWithError("not what was to be measured");
}

void run_setup(benchmark::State& state) {
    strategy_rig rig(*find_strategy("full-in-io"), extents_max);
    const auto transform = make_skcipher(crypto_mode::aes_256_xts, 1).value();
    std::vector<extent_crypt_info*> extents;
    for (unsigned n = 0; n < extents_max; ++n)
        extents.push_back(&rig.get(n));
    for (auto _ : state)
        for (const extent_crypt_info* extent : extents)
            rig.set_up(*extent, *transform);
    count(state, extents_max);
    for (extent_crypt_info* extent : extents)
        rig.put(*extent);
}

void run_allocate(benchmark::State& state) {
    for (auto _ : state)
        for (unsigned i = 0; i < extents_max; ++i)
            benchmark::DoNotOptimize(make_skcipher(crypto_mode::aes_256_xts, 1).value());
    count(state, extents_max);
}

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    using namespace blkcrypto::fsdemo;
    micro_list all;
    all.add("strategy/setup", run_setup);
    all.add("strategy/allocate", run_allocate);
    for (const strategy_info& s : strategies()) {
        if (s.make == nullptr)
            continue;
        const bool has_map = !s.has_pool || s.name == "prepared-map";
        // Those without a pool or keyslots have a transform for each info that there is room for.
        const unsigned infos = s.has_pool || s.has_keyslots ? extents_max : room;
        if (has_map)
            all.add("strategy/hit/" + std::string(s.name),
                    [&s, infos](benchmark::State& state) { run_uses(state, s, room, infos); });
        all.add("strategy/miss/" + std::string(s.name),
                [&s, infos](benchmark::State& state) { run_uses(state, s, extents_max, infos); });
    }
    return all.run(argc, argv);
}
