// SPDX-License-Identifier: Apache-2.0
// What does it cost to gather bios into requests, and to hand their parts out again? Batches of 32 blocks of
// 4096 bytes through a plug alone, no queue and no device:
//
//   merged/plain/ORDER, merged/encrypted/ORDER        bios that may merge, without and with a crypto context:
//                                                     in order all of them do, at random next to none
//   nomerges/plain/ORDER, nomerges/encrypted/ORDER    the control: a plug that never tries

#include "bench/indexed_keys.hpp"
#include "bench/micro_bios.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/block/request.hpp"

#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

constexpr std::uint32_t block_bytes = 4096;
constexpr std::uint32_t request_bytes_max = batch * block_bytes;

class gathered_batch final : public bio_end_io {
  public:
    gathered_batch(env& e, block_order order, const key_request* key, bool nomerges)
        : memory_(make_touched_buffers(batch, block_bytes)), walk_(medium_bytes, block_bytes, order),
          key_(key), plug_(e, {request_bytes_max, nomerges}), bios_(batch), requests_(batch) {
        for (unsigned i = 0; i < batch; ++i)
            segments_.push_back({memory_[i].data(), block_bytes, unregistered_buffer});
    }

    void run() noexcept {
        unsigned used = 0;
        for (unsigned i = 0; i < batch; ++i) {
            prepare(i);
            if (plug_.try_merge(bios_[i]))
                continue;
            requests_[used].begin(bios_[i]);
            plug_.add(requests_[used++]);
        }
        while (request* next = plug_.take()) {
            benchmark::DoNotOptimize(next->whole().segments.data());
            next->take_parts(UINT32_MAX, [](bio& part, bool) { part.end(); });
        }
    }

    void end_io(bio&) noexcept override {}

  private:
    void prepare(unsigned i) noexcept {
        const std::uint64_t offset = walk_.next();
        bios_[i].prepare(bio_op::write, to_sectors_exact({offset}), {&segments_[i], 1}, *this);
        if (key_ != nullptr)
            bios_[i].set_crypt_ctx(*key_, dun(micro_unit_size().units_in(offset)));
    }

    const io_buffers memory_;
    block_walk walk_;
    const key_request* const key_;
    plug plug_;
    std::deque<bio> bios_;
    std::deque<request> requests_;
    std::vector<bio_vec> segments_;
};

void run_batches(benchmark::State& state, block_order order, bool encrypted, bool nomerges) {
    auto e = *thread_env::make();
    const indexed_key key(micro_config(), 0);
    gathered_batch bios(*e, order, encrypted ? &key : nullptr, nomerges);
    for (auto _ : state)
        bios.run();
    count(state, batch);
}

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    micro_list all;
    for (const auto order : {block_order::sequential, block_order::random})
        for (const bool encrypted : {false, true})
            for (const bool nomerges : {false, true})
                all.add(fmt::format("{}/{}/{}", nomerges ? "nomerges" : "merged",
                                    encrypted ? "encrypted" : "plain",
                                    block_order_names[static_cast<std::size_t>(order)]),
                        [=](benchmark::State& state) { run_batches(state, order, encrypted, nomerges); });
    return all.run(argc, argv);
}
