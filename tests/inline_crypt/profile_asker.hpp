// SPDX-License-Identifier: Apache-2.0
#pragma once
// Somebody who asks a crypto_profile or a tfm_source, and notes when it is woken.

#include "blkcrypto/inline_crypt/acquisition.hpp"
#include "tests/support/counted_waiter.hpp"

namespace blkcrypto::test {

class profile_asker {
  public:
    explicit profile_asker(env& e) : waiter_(e), context_{e, waiter_, counters_} {}

    operator acquire_context&() noexcept { return context_; }
    env& environment() noexcept { return context_.environment; }
    const keyslot_counters& counters() const noexcept { return counters_; }

    /// The number of wake-ups that have run since the last call.
    unsigned take_wakes() noexcept { return std::exchange(waiter_.wakes, 0); }

  private:
    keyslot_counters counters_;
    counted_waiter waiter_;
    acquire_context context_;
};

} // namespace blkcrypto::test
