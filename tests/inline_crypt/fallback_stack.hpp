// SPDX-License-Identifier: Apache-2.0
#pragma once
// A whole stack on one thread under a virtual clock: a simulated device, the fallback with keyslots, a
// submit_queue; and bios that remember how they ended.

#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/inline_crypt/scattered_buffer.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace blkcrypto::test {

/// A bio with memory of its own.
struct test_io final : bio_end_io {
    test_io(bio_op op, sector start, std::size_t size_bytes, std::uint32_t granule_bytes,
            random_source& random);

    void end_io(bio&) noexcept override {
        ++ends;
        if (on_end)
            on_end();
    }
    bool ended_with(blk_status expected) const { return ends == 1 && request.status == expected; }

    scattered_buffer memory;
    bio request;
    unsigned ends = 0;
    std::function<void()> on_end;
};

struct stack_options {
    unsigned keyslots = 100;
    completion_order order = completion_order::as_submitted;
    fallback_options fallback = {};
    queue_options queue = {};
    std::uint64_t decrypt_delay_max_ns = 0; // for the simulated executor, if there are decrypt_workers
    env_hooks* hooks = nullptr;
};

struct fallback_stack {
    explicit fallback_stack(const stack_options& options = {});

    std::unique_ptr<submit_queue> make_queue(const queue_options& options) {
        return *submit_queue::make(device, fallback.get(), env, options);
    }
    test_key make_key(std::uint32_t unit_bytes = 4096, crypto_mode mode = crypto_mode::aes_256_xts);

    std::unique_ptr<test_io> make_io(bio_op op, std::uint64_t start, std::size_t size_bytes);
    std::unique_ptr<test_io> make_io(bio_op op, std::uint64_t start, std::size_t size_bytes,
                                     const test_key& key, const dun& first = dun(1));
    /// As above, filled with random bytes.
    std::unique_ptr<test_io> make_write(std::uint64_t start, std::size_t size_bytes, const test_key& key,
                                        const dun& first = dun(1));

    /// Submits and waits for everything. False if something is left after many polls.
    bool run(test_io& io) { return run(io, *queue); }
    bool run(test_io& io, submit_queue& on);
    bool drain() { return drain({queue.get()}); }
    bool drain(std::initializer_list<submit_queue*> queues);

    std::vector<std::byte> on_device(const test_io& io, std::size_t size_bytes);
    std::vector<std::byte> on_device(std::uint64_t start, std::size_t size_bytes);

    simulated_env env;
    random_source random;
    simulated_device device;
    std::optional<simulated_executor> workers;
    std::unique_ptr<crypto_fallback> fallback;
    std::unique_ptr<submit_queue> queue;
};

/// What the reference makes of a write's data.
std::vector<std::byte> expected_ciphertext(const test_io& io, const test_key& key, const dun& first = dun(1));

} // namespace blkcrypto::test
