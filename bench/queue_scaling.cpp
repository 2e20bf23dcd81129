// SPDX-License-Identifier: Apache-2.0
// What do two threads do that one does not, each with a queue of its own? Writes through the fallback to
// devices in memory, a stretch of the medium for each thread.
//
//   THREADS/own_key     each with a key of its own
//   THREADS/same_key    all with one key, and so on one keyslot
//   THREADS/loop        the control: each encrypts and copies the same blocks, with a cipher of its own
//                       and no bios; what the machine itself can do
//
// A figure is the time on the clock for each block of all threads, so that one thread's by two threads' is
// how many times faster they are.

#include "bench/indexed_keys.hpp"
#include "bench/micro_bios.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"

#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

constexpr unsigned threads_max = 2;
constexpr std::uint64_t stretch_bytes = medium_bytes / threads_max;

bytes_span stretch_of(unsigned thread) {
    return medium().subspan(thread * stretch_bytes, stretch_bytes);
}

std::uint64_t batches_of(std::uint32_t block_bytes) {
    return stretch_bytes / block_bytes / batch;
}

class queue_user final : public thread_work {
  public:
    queue_user(crypto_fallback& fallback, const key_request& key, bytes_span stretch, std::uint32_t bytes)
        : device_(make_memory_device(stretch)),
          queue_(*submit_queue::make(*device_, &fallback, *env_, {batch, bytes})),
          bios_(stretch.size(), bytes, block_order::random), key_(&key), batches_(batches_of(bytes)) {
        bios_.run(*queue_, bio_op::write, key_);
    }
    void run() override {
        for (std::uint64_t i = 0; i < batches_; ++i)
            bios_.run(*queue_, bio_op::write, key_);
    }

  private:
    const std::unique_ptr<thread_env> env_ = *thread_env::make();
    const std::unique_ptr<block_device> device_;
    const std::unique_ptr<submit_queue> queue_;
    bio_batch bios_;
    one_key key_;
    const std::uint64_t batches_;
};

void run_queues(benchmark::State& state, unsigned threads, std::uint64_t key_count, std::uint32_t bytes) {
    auto e = *thread_env::make();
    auto device = make_memory_device(medium());
    auto fallback =
        *crypto_fallback::make(*e, *make_keyslot_tfms(*e, kernel_7_0.fallback_keyslots, threads), {});
    const indexed_keys keys(micro_config(), key_count);
    if (start_using_key(*e, *device, fallback.get(), keys[0]))
        return state.SkipWithError("no cipher");
    run_threads(state, threads, [&](unsigned thread) {
        return std::make_unique<queue_user>(*fallback, keys[thread % key_count], stretch_of(thread), bytes);
    });
    count(state, threads * batches_of(bytes) * batch, bytes);
}

class loop_user final : public thread_work {
  public:
    loop_user(bytes_span stretch, std::uint32_t bytes)
        : loop_(cipher_loop::what::encrypt_copy, stretch, bytes, block_order::random),
          batches_(batches_of(bytes)) {
        loop_.run();
    }
    void run() override {
        for (std::uint64_t i = 0; i < batches_; ++i)
            loop_.run();
    }

  private:
    cipher_loop loop_;
    const std::uint64_t batches_;
};

void run_loops(benchmark::State& state, unsigned threads, std::uint32_t bytes) {
    run_threads(state, threads,
                [&](unsigned thread) { return std::make_unique<loop_user>(stretch_of(thread), bytes); });
    count(state, threads * batches_of(bytes) * batch, bytes);
}

void add_all(micro_list& all, std::uint32_t bytes) {
    using benchmark::State;
    const auto add = [&](const char* what, auto measure) {
        all.add_timed(fmt::format("{}/{}", what, bytes), measure);
    };
    add("1_thread/own_key", [=](State& state) { run_queues(state, 1, 1, bytes); });
    add("2_threads/own_key", [=](State& state) { run_queues(state, 2, 2, bytes); });
    add("2_threads/same_key", [=](State& state) { run_queues(state, 2, 1, bytes); });
    add("2_threads/loop", [=](State& state) { run_loops(state, 2, bytes); });
    add("1_thread/loop", [=](State& state) { run_loops(state, 1, bytes); });
}

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    micro_list all;
    for (const std::uint32_t bytes : {4U << 10, 128U << 10})
        add_all(all, bytes);
    return all.run(argc, argv);
}
