// SPDX-License-Identifier: Apache-2.0
// What does a bio cost between submit and its end_io, beside the cipher? One thread, batches of 32, a device
// that does nothing or copies. The controls are the raw cipher and memcpy over the same bytes in the same
// run.
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/dev/null_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"

#include <benchmark/benchmark.h>
#include <deque>

namespace blkcrypto {
namespace {

constexpr unsigned batch = 32;
constexpr std::uint64_t disk_bytes = 64 << 20;
const auto unit_size = *data_unit_size::make(4096);

struct counted_end final : bio_end_io {
    void end_io(bio&) noexcept override {}
};

std::vector<std::byte> key_bytes() {
    std::vector<std::byte> bytes(64);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(i);
    return bytes;
}

// A batch of bios side by side on a device, walking over it again and again.
class bio_batch {
  public:
    explicit bio_batch(std::uint32_t bytes)
        : bytes_(bytes), memory_(std::size_t{bytes} * batch), bios_(batch) {
        for (unsigned i = 0; i < batch; ++i)
            segments_.push_back({memory_.data() + std::size_t{bytes} * i, bytes, unregistered_buffer});
    }

    void submit_to(submit_queue& queue, bio_op op, const key_request* key) {
        for (unsigned i = 0; i < batch; ++i) {
            bios_[i].prepare(op, to_sectors_exact({next_}), {&segments_[i], 1}, end_);
            if (key != nullptr)
                bios_[i].set_crypt_ctx(*key, dun(next_ >> unit_size.bits()));
            queue.submit(bios_[i]);
            next_ = (next_ + bytes_) % disk_bytes;
        }
        while (queue.in_flight() != 0)
            queue.wait();
    }

    std::byte* memory() { return memory_.data(); }

  private:
    std::uint32_t bytes_;
    std::vector<std::byte> memory_;
    std::deque<bio> bios_;
    std::vector<bio_vec> segments_;
    counted_end end_;
    std::uint64_t next_ = 0;
};

void count(benchmark::State& state, std::uint32_t bytes) {
    const auto bios = static_cast<std::int64_t>(state.iterations()) * batch;
    state.SetItemsProcessed(bios);
    state.SetBytesProcessed(bios * bytes);
}

enum class what_device { null, memory };

void run_bios(benchmark::State& state, what_device which, bio_op op, bool encrypted) {
    const auto bytes = static_cast<std::uint32_t>(state.range(0));
    auto e = *thread_env::make();
    const sector capacity = to_sectors_exact({disk_bytes});
    auto device = which == what_device::null ? make_null_device(capacity) : *make_memory_device(capacity);
    auto fallback = *crypto_fallback::make(*e, *make_keyslot_tfms(*e, kernel_7_0.fallback_keyslots, 1), {});
    const auto key = *crypto_key::make(key_bytes(), {crypto_mode::aes_256_xts, unit_size, 8});
    if (start_using_key(*e, *device, fallback.get(), *key))
        return state.SkipWithError("no cipher");
    auto queue = *submit_queue::make(*device, fallback.get(), *e, {batch, bytes, 64 << 20});
    bio_batch bios(bytes);
    for (auto _ : state)
        bios.submit_to(*queue, op, encrypted ? key.get() : nullptr);
    count(state, bytes);
}

void run_cipher(benchmark::State& state, bool copies) {
    const auto bytes = static_cast<std::uint32_t>(state.range(0));
    std::vector<std::byte> source(std::size_t{bytes} * batch), target(bytes), disk(disk_bytes);
    auto tfm = *make_skcipher(crypto_mode::aes_256_xts, 1);
    if (tfm->setkey(key_bytes()))
        return state.SkipWithError("setkey");
    cipher_lane lane(0);
    std::uint64_t at = 0;
    for (auto _ : state)
        for (unsigned i = 0; i < batch; ++i) {
            const cipher_segment segment{source.data() + std::size_t{bytes} * i, target.data(), bytes};
            tfm->crypt(cipher_direction::encrypt, at >> unit_size.bits(), unit_size, {&segment, 1}, lane);
            if (copies)
                std::memcpy(disk.data() + at, target.data(), bytes);
            at = (at + bytes) % disk_bytes;
        }
    count(state, bytes);
}

void copy_control(benchmark::State& state) {
    const auto bytes = static_cast<std::uint32_t>(state.range(0));
    std::vector<std::byte> source(std::size_t{bytes} * batch), disk(disk_bytes);
    std::uint64_t at = 0;
    for (auto _ : state)
        for (unsigned i = 0; i < batch; ++i) {
            std::memcpy(disk.data() + at, source.data() + std::size_t{bytes} * i, bytes);
            at = (at + bytes) % disk_bytes;
        }
    count(state, bytes);
}

void sizes(benchmark::internal::Benchmark* b) {
    b->Arg(4096)->Arg(128 << 10);
}

BENCHMARK_CAPTURE(run_bios, null_plain_write, what_device::null, bio_op::write, false)->Arg(4096);
BENCHMARK_CAPTURE(run_bios, memory_plain_write, what_device::memory, bio_op::write, false)->Apply(sizes);
BENCHMARK_CAPTURE(run_bios, memory_fallback_write, what_device::memory, bio_op::write, true)->Apply(sizes);
BENCHMARK_CAPTURE(run_bios, memory_fallback_read, what_device::memory, bio_op::read, true)->Apply(sizes);
BENCHMARK(copy_control)->Apply(sizes);
BENCHMARK_CAPTURE(run_cipher, cipher_control, false)->Apply(sizes);
BENCHMARK_CAPTURE(run_cipher, cipher_and_copy_control, true)->Apply(sizes);

} // namespace
} // namespace blkcrypto

BENCHMARK_MAIN();
