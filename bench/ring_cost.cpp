// SPDX-License-Identifier: Apache-2.0
// What does uring_loop add to io_uring? Operations of the kernel that do nothing, submitted and reaped in
// batches, beside the same by plain calls of liburing on a ring that is set up alike.

#include "bench/micro.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/uring_loop.hpp"

#include <array>
#include <deque>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

constexpr unsigned entries = 64;

class nop_op final : public uring_op {
  public:
    explicit nop_op(unsigned& ended) noexcept : ended_(ended) {}
    void prepare(io_uring_sqe& sqe) noexcept override { io_uring_prep_nop(&sqe); }
    void complete(int) noexcept override { ++ended_; }

  private:
    unsigned& ended_;
};

void nops_by_loop(benchmark::State& state, unsigned batch) {
    auto e = *thread_env::make();
    auto made = uring_loop::make(*e, entries);
    if (made.has_error())
        return state.SkipWithError("no io_uring here");
    uring_loop& loop = **made;
    unsigned ended = 0;
    std::deque<nop_op> ops;
    for (unsigned i = 0; i < batch; ++i)
        ops.emplace_back(ended);
    for (auto _ : state) {
        ended = 0;
        for (auto& op : ops)
            loop.submit(op);
        while (ended < batch)
            loop.reap();
    }
    count(state, batch);
}

// A ring as uring_loop sets it up on a kernel that has all it asks for, or as it comes.
class plain_ring {
  public:
    plain_ring() {
        io_uring_params params{};
        params.flags = IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
                       IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
        is_there_ = io_uring_queue_init_params(entries, &ring_, &params) == 0 ||
                    io_uring_queue_init(entries, &ring_, 0) == 0;
        if (is_there_)
            io_uring_register_ring_fd(&ring_);
    }
    ~plain_ring() {
        if (is_there_)
            io_uring_queue_exit(&ring_);
    }
    plain_ring(const plain_ring&) = delete;
    plain_ring& operator=(const plain_ring&) = delete;

    bool is_there() const noexcept { return is_there_; }

    void run_nops(unsigned batch) noexcept {
        for (unsigned i = 0; i < batch; ++i)
            io_uring_prep_nop(io_uring_get_sqe(&ring_));
        io_uring_submit_and_get_events(&ring_);
        for (unsigned ended = 0; ended < batch;) {
            std::array<io_uring_cqe*, entries> cqes;
            const unsigned count = io_uring_peek_batch_cqe(&ring_, cqes.data(), entries);
            for (unsigned i = 0; i < count; ++i)
                benchmark::DoNotOptimize(cqes[i]->res);
            io_uring_cq_advance(&ring_, count);
            ended += count;
        }
    }

  private:
    io_uring ring_{};
    bool is_there_;
};

void nops_by_liburing(benchmark::State& state, unsigned batch) {
    plain_ring ring;
    if (!ring.is_there())
        return state.SkipWithError("no io_uring here");
    for (auto _ : state)
        ring.run_nops(batch);
    count(state, batch);
}

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    micro_list all;
    for (const unsigned batch : {1U, 32U}) {
        all.add(fmt::format("loop/nops/{}", batch),
                [=](benchmark::State& state) { nops_by_loop(state, batch); });
        all.add(fmt::format("liburing/nops/{}", batch),
                [=](benchmark::State& state) { nops_by_liburing(state, batch); });
    }
    return all.run(argc, argv);
}
