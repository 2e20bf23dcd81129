// SPDX-License-Identifier: Apache-2.0
#pragma once
// A whole stack, native or with the fallback, on one thread under a virtual clock above a simulated device:
// so that the same work can be done by one way and by another.

#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/dev/engine_rig.hpp"

#include <optional>

namespace blkcrypto::test {

/// One way from submit to a medium.
struct path_options {
    const char* name;
    std::optional<unsigned> engine_keyslots; // none: the fallback does it
    unsigned fallback_keyslots = 100;
    unsigned decrypt_workers = 0;
    queue_options queue = {};
    completion_order order = completion_order::as_submitted;
    std::uint32_t split_bytes = 0; // bios are split into such pieces before they are submitted
};

struct path {
    static constexpr sector capacity{4096};

    explicit path(const path_options& with)
        : options(with), e(test_seed()), medium(capacity, with.order, test_seed()),
          worker(e, test_seed(), 50'000), top(&medium) {
        if (options.engine_keyslots) {
            engine =
                *make_inline_crypto_device(medium, engine_with(*options.engine_keyslots), e, {worker, 1});
            top = engine.get();
        }
        executor* const decrypts = options.decrypt_workers == 0 ? nullptr : &worker;
        fallback = *crypto_fallback::make(
            e, *make_keyslot_tfms(e, options.fallback_keyslots, 1),
            {.decrypt_executor = decrypts, .decrypt_workers = options.decrypt_workers});
        queue = *submit_queue::make(*top, fallback.get(), e, options.queue);
    }

    void start(const crypto_key& key) { REQUIRE_FALSE(start_using_key(e, *top, fallback.get(), key)); }

    void drain() { REQUIRE(test::drain(*queue, e)); }

    const path_options options;
    simulated_env e;
    simulated_device medium;
    simulated_executor worker;
    std::unique_ptr<inline_crypto_device> engine;
    block_device* top;
    std::unique_ptr<crypto_fallback> fallback;
    std::unique_ptr<submit_queue> queue;
};

} // namespace blkcrypto::test
