// SPDX-License-Identifier: Apache-2.0
#pragma once
// An engine on one thread under a virtual clock, above a simulated device whose medium the test can see; and
// bios under keys whose DUN is their sector.

#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "tests/dev/test_io.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <deque>
#include <doctest/doctest.h>

namespace blkcrypto::test {

/// A built-in profile with another number of keyslots.
inline engine_profile engine_with(unsigned keyslots, const char* name = "generic") {
    engine_profile profile = *find_engine_profile(name);
    profile.keyslots = keyslots;
    return profile;
}

/// A bio under a key, on memory of the caller.
struct keyed_io {
    keyed_io(bio_op op, sector at, bytes_span memory, const key_request& key)
        : io(op, at, {segment_of(memory)}) {
        io.what.set_crypt_ctx(key, dun(at.value));
    }
    keyed_io(bio_op op, sector at, bytes_span memory, const test_key& key)
        : keyed_io(op, at, memory, *key.key) {}
    bool ended_with(blk_status expected) const { return io.ended == 1 && io.what.status == expected; }
    test_io io;
};

struct engine_rig {
    explicit engine_rig(const engine_profile& profile,
                        completion_order order = completion_order::as_submitted,
                        const queue_options& options = {}, std::uint64_t engine_delay_max_ns = 2000)
        : e(test_seed()), random(test_seed()), lower(sector{16384}, order, test_seed() + 1),
          engine_thread(e, test_seed() + 2, engine_delay_max_ns),
          device(*make_inline_crypto_device(lower, profile, e, {engine_thread, 1})),
          queue(*device->make_queue(e, options)) {}

    void drain() { REQUIRE(test::drain(*queue, e)); }

    bool ends_with(blk_status expected, keyed_io& k) {
        queue->submit(k.io.what);
        drain();
        return k.ended_with(expected);
    }

    simulated_env e;
    random_source random;
    simulated_device lower;
    simulated_executor engine_thread;
    std::unique_ptr<inline_crypto_device> device;
    std::unique_ptr<block_queue> queue;
};

/// What the medium holds of data that was written by a keyed_io.
inline std::vector<std::byte> ciphertext(const test_key& key, sector at, bytes_view data) {
    return reference_ciphertext(key, dun(at.value), data);
}

} // namespace blkcrypto::test
