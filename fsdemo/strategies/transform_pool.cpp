// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/strategies/transform_pool.hpp"

#include "fsdemo/strategies/key_setup.hpp"

#include <cassert>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class pool_lock{"transform_pool"};
constexpr lock_class pool_waiting{"transform_pool.waiting"};

} // namespace

transform_pool::transform_pool(transform_memory& memory, crypto_mode mode, reuse how,
                               transform_list&& transforms)
    : memory_(memory), mode_(mode), reuse_(how), lock_(pool_lock), waiting_(pool_waiting),
      transforms_(transforms.size()) {
    for (std::size_t i = 0; i < transforms.size(); ++i) {
        transforms_[i].tfm = std::move(transforms[i]);
        transforms_[i].pool = this;
        put_newest(transforms_[i]);
    }
}

// Before there is a pool, and without its lock: all of this may reclaim.
result<std::unique_ptr<transform_pool>> transform_pool::make(env& e, crypto_api& api,
                                                             transform_memory& memory, crypto_mode mode,
                                                             unsigned size, reuse how) {
    if (size == 0)
        return make_error(EINVAL);
    transform_list all;
    auto pool = or_no_memory([&]() -> result<std::unique_ptr<transform_pool>> {
        all.reserve(size);
        while (all.size() < size) {
            auto transform = api.allocate(e, mode);
            if (!transform)
                return transform.error();
            all.push_back(std::move(*transform));
        }
        return std::unique_ptr<transform_pool>(new transform_pool(memory, mode, how, std::move(all)));
    });
    for (auto& left : all)
        if (left)
            memory.free(std::move(left), mode);
    return pool;
}

transform_pool::~transform_pool() {
    for (place& p : transforms_) {
        assert(p.leases == 0);
        if (p.tfm)
            memory_.free(std::move(p.tfm), mode_);
    }
}

// --- acquiring ---

tfm_grant transform_pool::acquire(const extent_crypt_info& extent, acquire_context& asker) noexcept {
    const tfm_grant grant = take(extent, asker);
    // Also when this one has parked: a transform may have come back before the waiter was in line. Or it was
    // woken for one, and did not need it.
    pass_on_wake(asker.environment);
    return grant;
}

tfm_grant transform_pool::take(const extent_crypt_info& extent, acquire_context& asker) noexcept {
    env& e = asker.environment;
    place* taken = nullptr;
    {
        const env_lock lock(e, lock_);
        if (place* const found = lend_found(extent)) {
            ++asker.counters.hits;
            return {acquire_outcome::ready, {found->tfm.get(), reinterpret_cast<std::uintptr_t>(found)}};
        }
        taken = take_oldest();
        if (taken != nullptr) {
            ++asker.counters.misses;
            asker.counters.evictions += taken->owner != nullptr ? 1U : 0U;
            take_owner(*taken);
        }
    }
    if (taken != nullptr)
        return key(*taken, extent, asker);
    ++asker.counters.waits;
    waiting_.add(asker.parked);
    return {acquire_outcome::parked};
}

// Without the lock: nobody else knows of it.
tfm_grant transform_pool::key(place& taken, const extent_crypt_info& extent,
                              acquire_context& asker) noexcept {
    env& e = asker.environment;
    const std::error_code error = set_key(*taken.tfm, extent, e, asker.stamps);
    const env_lock lock(e, lock_);
    if (error) {
        taken.leases = 0;
        put_oldest(taken);
        return {acquire_outcome::failed, {}, to_blk_status(error)};
    }
    give_owner(taken, extent);
    return {acquire_outcome::ready, {taken.tfm.get(), reinterpret_cast<std::uintptr_t>(&taken)}};
}

void transform_pool::pass_on_wake(env& e) noexcept {
    waiting_.pass_on_wake(e, [&] {
        const env_lock lock(e, lock_);
        return oldest_ != nullptr;
    });
}

// --- releasing ---

void transform_pool::release(env& e, const tfm_lease& lease) noexcept {
    place& returned = *reinterpret_cast<place*>(lease.cookie);
    returned.pool->give_back(e, returned);
}

void transform_pool::give_back(env& e, place& returned) noexcept {
    {
        const env_lock lock(e, lock_);
        assert(returned.leases != 0);
        if (--returned.leases != 0)
            return;
        if (returned.forgets_on_release) {
            returned.forgets_on_release = false;
            returned.tfm->forget();
            put_oldest(returned);
        } else {
            put_newest(returned);
        }
    }
    waiting_.wake_one(e);
}

std::error_code transform_pool::evict(env& e, const extent_crypt_info& extent) noexcept {
    std::error_code error;
    const env_lock lock(e, lock_);
    while (auto* const p = static_cast<place*>(extent.of_strategy)) {
        take_owner(*p);
        if (p->leases != 0) {
            p->forgets_on_release = true;
            error = make_error(EBUSY);
            continue;
        }
        unlink(*p);
        p->tfm->forget();
        put_oldest(*p);
    }
    return error;
}

unsigned transform_pool::on_loan(env& e) noexcept {
    const env_lock lock(e, lock_);
    unsigned count = 0;
    for (const place& p : transforms_)
        count += p.leases != 0 ? 1U : 0U;
    return count;
}

transform_pool::place* transform_pool::lend_found(const extent_crypt_info& extent) noexcept {
    auto* const own = static_cast<place*>(extent.of_strategy);
    if (reuse_ == reuse::never || own == nullptr)
        return nullptr;
    if (own->leases++ == 0)
        unlink(*own);
    return own;
}

// --- whose key a transform has ---

void transform_pool::give_owner(place& p, const extent_crypt_info& extent) noexcept {
    p.owner = &extent;
    p.next_of_owner = static_cast<place*>(extent.of_strategy);
    if (p.next_of_owner != nullptr)
        p.next_of_owner->previous_of_owner = &p;
    extent.of_strategy = &p;
}

void transform_pool::take_owner(place& p) noexcept {
    if (p.owner == nullptr)
        return;
    if (p.previous_of_owner != nullptr)
        p.previous_of_owner->next_of_owner = p.next_of_owner;
    else
        p.owner->of_strategy = p.next_of_owner;
    if (p.next_of_owner != nullptr)
        p.next_of_owner->previous_of_owner = p.previous_of_owner;
    p.owner = nullptr;
    p.previous_of_owner = p.next_of_owner = nullptr;
}

// --- the order of those that are idle ---

transform_pool::place* transform_pool::take_oldest() noexcept {
    place* const taken = oldest_;
    if (taken == nullptr)
        return nullptr;
    unlink(*taken);
    taken->leases = 1;
    return taken;
}

void transform_pool::unlink(place& idle) noexcept {
    (idle.older == nullptr ? oldest_ : idle.older->newer) = idle.newer;
    (idle.newer == nullptr ? newest_ : idle.newer->older) = idle.older;
    idle.older = idle.newer = nullptr;
}

void transform_pool::put_newest(place& idle) noexcept {
    idle.older = newest_;
    (newest_ == nullptr ? oldest_ : newest_->newer) = &idle;
    newest_ = &idle;
}

void transform_pool::put_oldest(place& idle) noexcept {
    idle.newer = oldest_;
    (oldest_ == nullptr ? newest_ : oldest_->older) = &idle;
    oldest_ = &idle;
}

} // namespace blkcrypto::fsdemo
