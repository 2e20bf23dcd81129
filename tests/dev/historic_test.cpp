// SPDX-License-Identifier: Apache-2.0
// Bugs that the kernel's inline encryption had, each as what must not happen: see
// tests/inline_crypt/historic_test.cpp.
#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/dev/test_io.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <cerrno>
#include <doctest/doctest.h>
#include <optional>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

const doctest::test_suite historic("historic");

// The owner of a key that is used once.
struct evicting_owner final : bio_end_io {
    evicting_owner(env& environment, block_device& used, random_source& random)
        : e(environment), device(used), key(std::in_place, random) {}
    void end_io(bio&) noexcept override {
        ++ended;
        evicted = evict_key(e, device, nullptr, *key->key);
        key.reset();
    }

    env& e;
    block_device& device;
    std::optional<test_key> key;
    std::error_code evicted = make_error(EIO);
    int ended = 0;
};

} // namespace

TEST_CASE("an owner may evict and free its key in the last end_io of the engine" * historic) {
    simulated_env e(test_seed());
    random_source random(test_seed());
    simulated_executor engine_thread(e, test_seed());
    std::vector<std::byte> storage(1 << 20);
    auto memory = make_memory_device(storage);
    engine_profile profile = *find_engine_profile("generic");
    profile.keyslots = 1;
    auto device = *make_inline_crypto_device(*memory, profile, e, {engine_thread, 1});
    auto queue = *device->make_queue(e, {});
    std::vector<std::byte> data(8192);
    for (const bio_op op : {bio_op::write, bio_op::read, bio_op::write_zeroes}) {
        evicting_owner owner(e, *device, random);
        test_io io(op, {0}, {segment_of(data)});
        if (op == bio_op::write_zeroes)
            io.what.prepare_range(op, {0}, static_cast<std::uint32_t>(data.size()), owner);
        io.what.observer = &owner;
        io.what.set_crypt_ctx(*owner.key->key, dun(0));
        queue->submit(io.what);
        wait_for_all(*queue);
        CHECK(owner.ended == 1);
        CHECK(io.what.status == blk_status::ok);
        CHECK_FALSE(owner.evicted);
    }
}
