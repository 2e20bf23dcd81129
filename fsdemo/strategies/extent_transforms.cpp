// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/strategies/extent_transforms.hpp"

namespace blkcrypto::fsdemo {

tfm_grant extent_transforms::acquire(const key_request& key, acquire_context& asker) noexcept {
    const extent_crypt_info& extent = extent_of(key);
    if (const skcipher* const known = transform_of(extent)) [[likely]] {
        ++asker.counters.hits;
        return {acquire_outcome::ready, {known}};
    }
    const making made = make(extent, asker);
    if (made.outcome != acquire_outcome::ready) {
        asker.counters.waits += made.outcome == acquire_outcome::parked ? 1U : 0U;
        return {made.outcome, {}, made.status};
    }
    ++asker.counters.misses;
    if (const std::error_code error = give(extent, *made.transform, asker.environment, asker.stamps))
        return {acquire_outcome::failed, {}, to_blk_status(error)};
    return {acquire_outcome::ready, {made.transform}};
}

std::error_code extent_transforms::give(const extent_crypt_info& extent, skcipher& transform, env& e,
                                        bio_stamps* stamps) noexcept {
    const std::error_code error = set_key(transform, extent, e, stamps);
    if (error)
        unmake(extent, transform);
    else
        extent.of_strategy = &transform;
    return error;
}

std::error_code extent_transforms::evict(env&, const key_request& key) noexcept {
    const extent_crypt_info& extent = extent_of(key);
    if (skcipher* const transform = transform_of(extent)) {
        extent.of_strategy = nullptr;
        unmake(extent, *transform);
    }
    return {};
}

void extent_transforms::unmake(const extent_crypt_info& extent, skcipher& transform) noexcept {
    memory().free(std::unique_ptr<skcipher>(&transform), extent.config().mode);
}

extent_transforms::making extent_transforms::made(result<std::unique_ptr<skcipher>>&& transform) noexcept {
    if (!transform)
        return {acquire_outcome::failed, nullptr, to_blk_status(transform.error())};
    return {acquire_outcome::ready, transform->release()};
}

// Infos that nobody uses can be dropped, and their transforms with them.
strategy_figures extent_transforms::figures(env&) const noexcept {
    return memory().figures();
}

} // namespace blkcrypto::fsdemo
