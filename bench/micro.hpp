// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the google-benchmark programs share: how they are run, memory that subjects and controls have alike,
// and threads that start together. A program lists its measurements, each subject beside its control, and
// scripts/bench.sh runs the list once a round, every other time from its end.
//
// A measurement counts what it did with count(): its figure is the time of one of these.

#include "bench/io_buffers.hpp"

#include <benchmark/benchmark.h>
#include <functional>
#include <string>
#include <vector>

namespace blkcrypto::bench {

class micro_list {
  public:
    /// Time on the processor, which others on it do not change.
    void add(std::string name, std::function<void(benchmark::State&)> measure);

    /// For measurements by run_threads(): time on the clock.
    void add_timed(std::string name, std::function<void(benchmark::State&)> measure);

    /// main(): google benchmark's options, and --reverse. Returns the exit code.
    int run(int argc, char** argv);

  private:
    struct entry {
        std::string name;
        std::function<void(benchmark::State&)> measure;
        bool is_timed;
    };
    std::vector<entry> entries_;
};

/// So many operations, of `bytes` each, in every iteration.
void count(benchmark::State& state, std::uint64_t operations, std::uint64_t bytes = 0);

/// Page-aligned, every page there. Throws std::bad_alloc.
io_buffers make_touched_buffers(std::size_t count, std::size_t buffer_bytes);

/// The medium of memory devices, and where their controls copy to: the same pages for all measurements of a
/// program.
inline constexpr std::size_t medium_bytes = 64 << 20;
bytes_span medium();

/// What a thread does: made, run and destroyed on it.
class thread_work {
  public:
    virtual ~thread_work() = default;
    virtual void run() = 0;
};
using work_maker = std::function<std::unique_ptr<thread_work>(unsigned thread)>;

/// In each iteration: that many threads, each on a core of its own as far as there are, make their work,
/// start together, and count from the first start to the last end.
void run_threads(benchmark::State& state, unsigned threads, const work_maker& make);

} // namespace blkcrypto::bench
