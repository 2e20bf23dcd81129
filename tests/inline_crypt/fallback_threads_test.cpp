// SPDX-License-Identifier: Apache-2.0
// Threads with a queue each, on one fallback: its keyslots, its reserve, its workers.
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/base/worker_pool.hpp"
#include "tests/inline_crypt/fallback_stack.hpp"
#include "tests/support/property.hpp"

#include <atomic>
#include <deque>
#include <doctest/doctest.h>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr int rounds = 60;
constexpr std::size_t ios_in_round = 6;
constexpr std::uint64_t sectors_per_thread = 4096;

struct shared_stack {
    shared_stack(const fallback_options& options, unsigned keyslots)
        : env(test_seed()), random(test_seed()),
          device(sector{4 * sectors_per_thread}, completion_order::shuffled, test_seed() + 1),
          fallback(*crypto_fallback::make(env, *make_keyslot_tfms(env, keyslots, 2), options)) {
        for (int i = 0; i < 4; ++i) {
            keys.emplace_back(random);
            REQUIRE_FALSE(start_using_key(env, device, fallback.get(), *keys.back().key));
        }
    }

    simulated_env env; // of the thread that prepares
    random_source random;
    simulated_device device;
    std::unique_ptr<crypto_fallback> fallback;
    std::deque<test_key> keys;
};

void wait_for_all(submit_queue& queue) {
    while (queue.wait() != 0) {
    }
}

// Writes and reads back in a part of the device of its own; the number of wrong results.
int wrong_results(shared_stack& shared, unsigned thread_number, const queue_options& options) {
    auto e = *thread_env::make();
    auto queue = *submit_queue::make(shared.device, shared.fallback.get(), *e, options);
    random_source random(test_seed() + 10 + thread_number);
    int wrong = 0;
    for (int round = 0; round < rounds; ++round) {
        std::deque<test_io> writes, reads;
        for (std::size_t i = 0; i < ios_in_round; ++i) {
            const sector start{thread_number * sectors_per_thread + i * 64};
            const std::size_t size = 4096 * (1 + random.below(6));
            const auto& key = *shared.keys[random.below(shared.keys.size())].key;
            test_io& write = writes.emplace_back(bio_op::write, start, size, 4096, random);
            test_io& read = reads.emplace_back(bio_op::read, start, size, 4096, random);
            write.memory.write(random_bytes(size, random.next()));
            write.request.set_crypt_ctx(key, dun(start.value));
            read.request.set_crypt_ctx(key, dun(start.value));
        }
        for (auto& write : writes)
            queue->submit(write.request);
        wait_for_all(*queue);
        for (auto& read : reads)
            queue->submit(read.request);
        wait_for_all(*queue);
        for (std::size_t i = 0; i < ios_in_round; ++i)
            wrong += reads[i].ended_with(blk_status::ok) && writes[i].ended_with(blk_status::ok) &&
                             reads[i].memory.read() == writes[i].memory.read()
                         ? 0
                         : 1;
    }
    return wrong;
}

void check_threads(const fallback_options& options, unsigned keyslots, const queue_options& queue) {
    shared_stack shared(options, keyslots);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 3; ++t)
        threads.emplace_back([&, t] { wrong += wrong_results(shared, t, queue); });
    for (auto& thread : threads)
        thread.join();
    CHECK(wrong.load() == 0);
    CHECK(shared.device.encrypted_requests() == 0);
    for (auto& key : shared.keys)
        CHECK_FALSE(evict_key(shared.env, shared.device, shared.fallback.get(), *key.key));
}

} // namespace

TEST_CASE("threads with a queue each share the fallback") {
    check_threads({}, 100, {});
}

TEST_CASE("threads that share two keyslots and a small reserve all finish") {
    check_threads({.kernel = {.bounce_reserve_pages = 2}}, 2, {.depth = 4, .bounce_bytes = 0});
    check_threads({.kernel = {.bounce_reserve_pages = 1}}, 1,
                  {.depth = 2, .io_size_bytes = 4096, .bounce_bytes = 4096});
}

// Each write may need the whole reserve: bounce memory of their own the queues have none.
TEST_CASE("with no bounce memory but the shared reserve 64 threads finish their writes" * PROPERTY(45)) {
    constexpr unsigned thread_count = 64, writes_each = 4;
    constexpr std::size_t largest_bytes = 256 * 4096;
    shared_stack shared({}, 100);
    simulated_device device(sector{thread_count * (largest_bytes >> sector_bits)}, completion_order::shuffled,
                            test_seed());
    std::atomic<unsigned> finished{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < thread_count; ++t)
        threads.emplace_back([&, t] {
            auto e = *thread_env::make();
            auto queue =
                *submit_queue::make(device, shared.fallback.get(), *e, {.depth = 2, .bounce_bytes = 0});
            random_source random(test_seed() + t);
            for (unsigned i = 0; i < writes_each; ++i) {
                const std::size_t size = i == 0 ? largest_bytes : 4096 * (1 + random.below(64));
                test_io write(bio_op::write, sector{t * (largest_bytes >> sector_bits)}, size, 4096, random);
                write.request.set_crypt_ctx(*shared.keys[t % shared.keys.size()].key, dun(t));
                queue->submit(write.request);
                wait_for_all(*queue);
                finished += write.ended_with(blk_status::ok) ? 1 : 0;
            }
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(finished.load() == thread_count * writes_each);
    CHECK(shared.fallback->reserve_is_whole(shared.env));
}

TEST_CASE("threads that share workers to decrypt all finish") {
    for (const unsigned keyslots : {1U, 2U, 8U}) {
        auto workers = *worker_pool::make(2, "decrypt");
        check_threads(
            {.kernel = {.bounce_reserve_pages = 3}, .decrypt_executor = workers.get(), .decrypt_workers = 2},
            keyslots, {.depth = 4, .bounce_bytes = 0});
    }
}
