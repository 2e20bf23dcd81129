// SPDX-License-Identifier: Apache-2.0
#pragma once
// The timed part: some threads, each with a queue of its own, keep a number of blocks in flight on one path
// for a slice of time. Threads, queues and buffers are set up before the clock starts and taken down after it
// stopped; what the threads do is the same on every path.

#include "bench/block_stream.hpp"
#include "bench/compare_path.hpp"
#include "bench/latency_histogram.hpp"

#include <functional>

namespace blkcrypto::bench {

/// What one slice did, all threads together.
struct slice_result {
    std::uint64_t bytes = 0; // of blocks that ended well
    std::uint64_t ios = 0;
    std::uint64_t elapsed_ns = 0; // until the last block in flight had ended
    std::uint64_t host_cpu_ns = 0;
    std::uint64_t engine_cpu_ns = 0;
    latency_histogram latencies;
    keyslot_counters keyslots;
    std::uint64_t errors = 0;
    std::optional<io_failure> first_failure;
};

/// Called a few times a second with the bytes done in this slice.
using slice_observer = std::function<void(std::uint64_t bytes)>;

/// program_error if the threads cannot be set up; failing I/O is in the result.
slice_result run_slice(compare_path& path, const workload_options& options, unsigned round,
                       std::uint64_t slice_ns, const slice_observer& tell);

} // namespace blkcrypto::bench
