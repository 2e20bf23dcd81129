// SPDX-License-Identifier: Apache-2.0
#include "bench/micro.hpp"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <pthread.h>
#include <string_view>
#include <thread>

namespace blkcrypto::bench {
namespace {

using clock = std::chrono::steady_clock;

// As far as it can be done: a machine with fewer cores measures what it can.
void pin_to_core(unsigned core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core % std::max(1U, std::thread::hardware_concurrency()), &cores);
    (void)pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
}

struct time_span {
    clock::time_point start;
    clock::time_point end;
};

// Takes --reverse out of the arguments, of which google benchmark knows nothing.
bool take_reverse(int& argc, char** argv) {
    char** const end = std::remove_if(
        argv, argv + argc, [](const char* argument) { return std::string_view(argument) == "--reverse"; });
    const bool was_there = end != argv + argc;
    argc = static_cast<int>(end - argv);
    return was_there;
}

} // namespace

void micro_list::add(std::string name, std::function<void(benchmark::State&)> measure) {
    entries_.push_back({std::move(name), std::move(measure), false});
}

void micro_list::add_timed(std::string name, std::function<void(benchmark::State&)> measure) {
    entries_.push_back({std::move(name), std::move(measure), true});
}

int micro_list::run(int argc, char** argv) {
    if (take_reverse(argc, argv))
        std::ranges::reverse(entries_);
    for (const auto& listed : entries_) {
        auto* const registered = benchmark::RegisterBenchmark(listed.name.c_str(), listed.measure);
        if (listed.is_timed)
            registered->UseManualTime();
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

void count(benchmark::State& state, std::uint64_t operations, std::uint64_t bytes) {
    const auto all = static_cast<std::int64_t>(operations) * static_cast<std::int64_t>(state.iterations());
    state.SetItemsProcessed(all);
    if (bytes != 0)
        state.SetBytesProcessed(all * static_cast<std::int64_t>(bytes));
}

io_buffers make_touched_buffers(std::size_t count, std::size_t buffer_bytes) {
    io_buffers buffers(count, buffer_bytes);
    std::ranges::fill(buffers.all(), std::byte{0x5a});
    return buffers;
}

bytes_span medium() {
    static const io_buffers memory = make_touched_buffers(1, medium_bytes);
    return memory.all();
}

void run_threads(benchmark::State& state, unsigned threads, const work_maker& make) {
    for (auto _ : state) {
        std::barrier start(static_cast<std::ptrdiff_t>(threads));
        std::barrier done(static_cast<std::ptrdiff_t>(threads));
        std::vector<time_span> spans(threads);
        std::vector<std::jthread> running;
        for (unsigned i = 0; i < threads; ++i)
            running.emplace_back([&, i] {
                pin_to_core(i);
                const auto work = make(i);
                start.arrive_and_wait();
                spans[i].start = clock::now();
                work->run();
                spans[i].end = clock::now();
                done.arrive_and_wait(); // nobody takes down what is his while another is measured
            });
        running.clear(); // joins
        const auto first = std::ranges::min_element(spans, {}, &time_span::start)->start;
        const auto last = std::ranges::max_element(spans, {}, &time_span::end)->end;
        state.SetIterationTime(std::chrono::duration<double>(last - first).count());
    }
}

} // namespace blkcrypto::bench
