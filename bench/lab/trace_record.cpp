// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/trace_record.hpp"

#include "bench/lab/key_trace.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::bench {

void record_trace(const lab_options& options, std::uint64_t ios) {
    if (options.record.empty())
        return;
    const unsigned jobs = options.workload.jobs;
    const std::uint64_t recorded = std::min<std::uint64_t>(ios, trace_entries_max / jobs);
    std::vector<std::uint32_t> keys;
    keys.reserve(recorded * jobs);
    std::vector<access_sequence> sequences;
    sequences.reserve(jobs);
    for (unsigned job = 0; job < jobs; ++job)
        sequences.emplace_back(options.workload.access,
                               key_space{options.image.files, options.image.extents_per_file, jobs, job},
                               options.workload.seed, 0);
    for (std::uint64_t i = 0; i < recorded; ++i)
        for (access_sequence& sequence : sequences)
            keys.push_back(static_cast<std::uint32_t>(sequence.next().key));
    write_key_trace(options.record, keys,
                    fmt::format("{} files of {} extents, {} of {} I/Os of each of {} jobs, seed {}",
                                options.image.files, options.image.extents_per_file, recorded, ios, jobs,
                                options.workload.seed));
}

} // namespace blkcrypto::bench
