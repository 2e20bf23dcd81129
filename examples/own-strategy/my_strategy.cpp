// SPDX-License-Identifier: Apache-2.0
// second-chance: a key-setup strategy that is not among the eleven, and the lab with it.
//
// As prepared-map it has a pool of transforms for each mode, and finds the one that still has an extent's
// key. It differs in which transform it takes for another key. prepared-map takes the one used longest ago,
// so a long scan over extents that are used once pushes out those that are used often. Here a hand goes round
// the pool (CLOCK): a transform that was found again since the hand last came by is passed over once; one
// that was keyed and never found again is taken. A hit writes one flag and moves nothing.
//
// docs/own-strategy.md explains what is asked of a strategy, and why it is as it is here.

#include "bench/lab/lab_main.hpp"
#include "fsdemo/strategies/crypto_api.hpp"
#include "fsdemo/strategies/key_setup.hpp"
#include "fsdemo/strategies/software_strategy.hpp"
#include "fsdemo/strategies/strategy_table.hpp"
#include "fsdemo/strategies/transform_memory.hpp"

#include <array>
#include <cassert>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

namespace {

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;

// What env's hooks, and so a checker of locks, are told: a class for each kind of lock, and one for what is
// waited for.
constexpr lock_class pool_lock{"second_chance.pool"};
constexpr lock_class pool_waiting{"second_chance.waiting"};

/// Transforms of one mode, which all threads share.
class clock_pool {
  public:
    /// When a file is opened: all that is ever allocated. ENOMEM, and then nothing is left; ENOPKG.
    static result<std::unique_ptr<clock_pool>> make(env& e, crypto_api& api, transform_memory& memory,
                                                    crypto_mode mode, unsigned size) {
        std::unique_ptr<clock_pool> made(new clock_pool(memory, mode, size));
        for (place& p : made->places_) {
            auto transform = api.allocate(e, mode);
            if (!transform)
                return transform.error();
            p.tfm = std::move(*transform);
            p.pool = made.get();
        }
        return made;
    }

    /// Nothing is on loan. The account hears of every transform that goes.
    ~clock_pool() {
        for (place& p : places_) {
            assert(p.leases == 0);
            if (p.tfm)
                memory_.free(std::move(p.tfm), mode_);
        }
    }
    clock_pool(const clock_pool&) = delete;
    clock_pool& operator=(const clock_pool&) = delete;

    /// In the I/O path: never blocks, never allocates.
    tfm_grant acquire(const extent_crypt_info& extent, acquire_context& asker) noexcept {
        const tfm_grant grant = find_or_take(extent, asker);
        // Whatever came of it. If the asker has parked, a transform may have come back before its waiter was
        // in line: this is the second try. If the asker was woken, and found its own key or failed, the
        // transform it was woken for is still idle, and the wake is the next waiter's.
        waiting_.pass_on_wake(asker.environment, [&] { return is_one_idle(asker.environment); });
        return grant;
    }

    /// A lease's cookie is the place the transform came from.
    static void release(env& e, const tfm_lease& lease) noexcept {
        place& returned = *reinterpret_cast<place*>(lease.cookie);
        returned.pool->give_back(e, returned);
    }

    /// In the I/O path, too, when one extent's info makes room for another's. No copy of the key stays: it is
    /// forgotten now or, if a transform with it is on loan (EBUSY), when that comes back.
    std::error_code evict(env& e, const extent_crypt_info& extent) noexcept {
        const env_lock lock(e, lock_);
        place* const p = find(extent);
        extent.of_strategy = nullptr;
        if (p == nullptr)
            return {};
        p->owner = nullptr;
        if (p->leases != 0) {
            p->forgets_on_release = true;
            return make_error(EBUSY);
        }
        make_blank(*p);
        return {};
    }

  private:
    struct place {
        std::unique_ptr<skcipher> tfm;
        clock_pool* pool = nullptr;
        const extent_crypt_info* owner = nullptr; // whose key is found here; null: nobody's
        unsigned leases = 0;
        bool was_found_again = false;    // since the hand came by
        bool forgets_on_release = false; // its key was evicted meanwhile
    };

    clock_pool(transform_memory& memory, crypto_mode mode, unsigned size)
        : memory_(memory), mode_(mode), lock_(pool_lock), waiting_(pool_waiting), places_(size), idle_(size) {
        blank_.reserve(size); // so that it never grows in the I/O path
        for (place& p : places_)
            blank_.push_back(&p);
    }

    tfm_grant find_or_take(const extent_crypt_info& extent, acquire_context& asker) noexcept {
        place* taken = nullptr;
        {
            const env_lock lock(asker.environment, lock_);
            if (place* const found = find(extent)) {
                ++asker.counters.hits;
                found->was_found_again = true;
                idle_ -= found->leases++ == 0 ? 1U : 0U;
                return lend(*found);
            }
            taken = take();
            if (taken != nullptr) {
                ++asker.counters.misses;
                asker.counters.evictions += std::exchange(taken->owner, nullptr) != nullptr ? 1U : 0U;
            }
        }
        if (taken != nullptr)
            return key(*taken, extent, asker);
        ++asker.counters.waits;
        waiting_.add(asker.parked); // never with the lock held: it takes one of its own
        return {acquire_outcome::parked};
    }

    /// Derives and sets the key without the lock, as nobody else knows of the place now. set_key() leaves the
    /// key nowhere else, and stamps the time both took.
    tfm_grant key(place& taken, const extent_crypt_info& extent, acquire_context& asker) noexcept {
        const std::error_code error = set_key(*taken.tfm, extent, asker.environment, asker.stamps);
        const env_lock lock(asker.environment, lock_);
        if (error) {
            taken.leases = 0;
            ++idle_;
            blank_.push_back(&taken);
            return {acquire_outcome::failed, {}, to_blk_status(error)};
        }
        taken.owner = &extent;
        taken.was_found_again = false;
        extent.of_strategy = &taken;
        return lend(taken);
    }

    static tfm_grant lend(place& p) noexcept {
        return {acquire_outcome::ready, {p.tfm.get(), reinterpret_cast<std::uintptr_t>(&p)}};
    }

    void give_back(env& e, place& returned) noexcept {
        {
            const env_lock lock(e, lock_);
            if (--returned.leases != 0)
                return;
            if (std::exchange(returned.forgets_on_release, false))
                make_blank(returned);
            ++idle_;
        }
        waiting_.wake_one(e); // after it is back, so that whoever added a waiter meanwhile is seen or sees it
    }

    bool is_one_idle(env& e) noexcept {
        const env_lock lock(e, lock_);
        return idle_ != 0;
    }

    /// The extent knows where its key was last; whether it is there still, the place knows.
    static place* find(const extent_crypt_info& extent) noexcept {
        auto* const last = static_cast<place*>(extent.of_strategy);
        return last != nullptr && last->owner == &extent ? last : nullptr;
    }

    void make_blank(place& idle) noexcept BLKCRYPTO_REQUIRES(lock_) {
        idle.tfm->forget();
        blank_.push_back(&idle);
    }

    /// Null: all are on loan. Those without a key go first.
    place* take() noexcept BLKCRYPTO_REQUIRES(lock_) {
        if (idle_ == 0)
            return nullptr;
        place* taken = nullptr;
        if (blank_.empty()) {
            taken = &next_without_chance();
        } else {
            taken = blank_.back();
            blank_.pop_back();
        }
        taken->leases = 1;
        --idle_;
        return taken;
    }

    /// Where the hand stops: not at what is on loan, nor at what was found again. Something is idle, so that
    /// this ends within two rounds: the first takes away all second chances.
    place& next_without_chance() noexcept BLKCRYPTO_REQUIRES(lock_) {
        for (;;) {
            place& p = places_[hand_];
            hand_ = hand_ + 1 == places_.size() ? 0 : hand_ + 1;
            if (p.leases == 0 && !std::exchange(p.was_found_again, false))
                return p;
        }
    }

    transform_memory& memory_;
    const crypto_mode mode_;
    mutex lock_;
    wait_list waiting_;
    std::vector<place> places_; // changed under the lock; what is in a transform on loan is its holders'
    unsigned idle_ BLKCRYPTO_GUARDED_BY(lock_);
    std::vector<place*> blank_ BLKCRYPTO_GUARDED_BY(lock_); // of those that are idle: that have no key
    std::size_t hand_ BLKCRYPTO_GUARDED_BY(lock_) = 0;
};

// Its base class has the modes, the account of memory and figures(): pools stay as they are until the
// strategy goes, so that no shrinker could take a transform back.
class second_chance final : public software_strategy {
  public:
    explicit second_chance(const strategy_options& options)
        : software_strategy(options), size_(options.pool_size), api_(memory()) {}

    // The filesystem loads the mode's module, if it has one, before start_using(). All files share an
    // extent's info, and so its transform.
    strategy_traits traits() const noexcept override { return {.modules = module_use::at_open}; }

    // Whatever must not be done in the I/O path. It is called there as well, for every info that is made:
    // start_once() sees what has been started first, without a lock.
    std::error_code start_using(env& e, const crypto_config& config) override {
        return start_once(e, config, [&]() -> std::error_code {
            auto made = clock_pool::make(e, api_, memory(), config.mode, size_);
            if (made)
                pools_[mode_index(config.mode)] = std::move(*made);
            return made ? std::error_code{} : made.error();
        });
    }

    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept override {
        const extent_crypt_info& extent = extent_of(key);
        return pool_of(extent).acquire(extent, asker);
    }
    void release(env& e, const tfm_lease& lease) noexcept override { clock_pool::release(e, lease); }
    std::error_code evict(env& e, const key_request& key) noexcept override {
        const extent_crypt_info& extent = extent_of(key);
        return pool_of(extent).evict(e, extent);
    }

  private:
    clock_pool& pool_of(const extent_crypt_info& extent) noexcept {
        return *pools_[mode_index(extent.config().mode)];
    }

    const unsigned size_;
    crypto_api api_;
    std::array<std::unique_ptr<clock_pool>, crypto_mode_count> pools_; // of modes that were started
};

result<std::unique_ptr<key_strategy>> make_second_chance(env&, const strategy_options& options) {
    if (!is_pool_size(options.pool_size))
        return make_error(EINVAL);
    return or_no_memory(
        [&]() -> result<std::unique_ptr<key_strategy>> { return std::make_unique<second_chance>(options); });
}

constexpr std::array own_strategies{
    strategy_info{.name = "second-chance",
                  .at_open = "a pool for the mode, once",
                  .in_io = "look the transform up; steal by CLOCK, derive, setkey",
                  .make = &make_second_chance,
                  .has_pool = true},
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_blkbench(argc, argv, own_strategies);
}
