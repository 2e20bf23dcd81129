// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where --record writes which extents a run used: the key ids of round 0, a number a line, one job's after
// the other's. Made from the sequence afterwards, so that the timed loop knows nothing of it.

#include "bench/lab/lab_options.hpp"
#include "blkcrypto/tools/cli/file.hpp"

#include <optional>

namespace blkcrypto::bench {

class trace_record {
  public:
    /// Opens the file that the options name, if they do. program_error, exit code 2.
    explicit trace_record(const lab_options& options);

    /// `ios`: of each job. program_error, exit code 1.
    void write(std::uint64_t ios);

  private:
    void write_job(unsigned job, std::uint64_t ios);

    const lab_options& options_;
    std::optional<cli::file> file_;
};

} // namespace blkcrypto::bench
