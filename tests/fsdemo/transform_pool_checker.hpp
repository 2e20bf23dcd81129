// SPDX-License-Identifier: Apache-2.0
#pragma once
// A pool of transforms as it is at this moment, past the hooks: for tests that check it between the steps of
// others.

#include "fsdemo/strategies/transform_pool.hpp"

#include <algorithm>

namespace blkcrypto::fsdemo {

struct transform_pool_checker {
    static bool has_idle(const transform_pool& pool) noexcept {
        return std::ranges::any_of(pool.transforms_, [](const auto& p) { return p.leases == 0; });
    }

    /// The place in the pool of one that is on loan.
    static std::size_t number_of(const transform_pool& pool, const tfm_lease& lease) noexcept {
        const auto is_it = [&](const auto& p) { return p.tfm.get() == lease.tfm; };
        return static_cast<std::size_t>(std::ranges::find_if(pool.transforms_, is_it) -
                                        pool.transforms_.begin());
    }

    /// Calls visit(number) for every number, but for who waits, that decides what the pool does next, always
    /// in the same order.
    template <typename Visitor>
    static void visit_state(const transform_pool& pool, Visitor&& visit) {
        const auto number_of_next = [&](const auto* next) {
            return next == nullptr ? 0U : static_cast<std::uint64_t>(next - pool.transforms_.data()) + 1;
        };
        for (const auto& p : pool.transforms_) {
            visit(p.leases);
            visit(reinterpret_cast<std::uintptr_t>(p.owner));
            visit(p.forgets_on_release);
            visit(number_of_next(p.next_of_owner));
            visit(number_of_next(p.newer));
        }
    }

    /// For a pool whose users were left where they were.
    static void end_loans(transform_pool& pool) noexcept {
        for (auto& p : pool.transforms_)
            p.leases = 0;
    }
};

} // namespace blkcrypto::fsdemo
