// SPDX-License-Identifier: Apache-2.0
#pragma once
// The timed loop of a job: so many file_ios, always as many in flight, each of a whole extent, a read or a
// write in place as the sequence says. How long each took, and of some where the time went. It allocates
// nothing.

#include "bench/io_buffers.hpp"
#include "bench/lab/lab_options.hpp"
#include "bench/lab/lab_result.hpp"
#include "bench/lab/round_contents.hpp"
#include "fsdemo/demo_fs.hpp"

#include <atomic>

namespace blkcrypto::bench {

/// Of all jobs in a round, under every strategy.
struct round_plan {
    const lab_options& options;
    const round_contents& contents;
    unsigned round = 0;
    std::uint64_t ios = 0; // of each job
};

class job_load final : public fsdemo::file_io_end {
  public:
    /// What is written is known to the filesystem's queue from now on, and what is read into; `memory`, of a
    /// buffer for each in flight, outlives it. Files by their number among the job's. Throws bad_alloc.
    job_load(const round_plan& plan, unsigned job, fsdemo::demo_fs& fs, env& e, const io_buffers& memory);

    /// An extent is read, alone.
    std::error_code read_one(fsdemo::open_file& file, std::uint64_t offset_bytes = 0);
    void run(std::span<const fsdemo::file_handle> files);
    /// Reads some of what run() writes in this round. The key id of one that is something else; nothing:
    /// there is none. The error of one that cannot be read.
    result<std::optional<std::uint64_t>> find_wrong(std::span<const fsdemo::file_handle> files);

    struct figures {
        std::uint64_t start_ns = 0;
        std::uint64_t end_ns = 0;
        std::uint64_t cpu_ns = 0;
        std::uint64_t ios = 0;
        std::uint64_t bytes = 0;
        latency_histogram latencies;
        time_attribution attribution;
        std::error_code error; // the first; nothing was begun after it
    };
    const figures& done() const noexcept { return done_; }
    /// For who shows it. Any thread.
    std::uint64_t live_bytes() const noexcept { return live_bytes_.load(std::memory_order_relaxed); }

  private:
    struct slot : fsdemo::file_io {
        std::uint64_t submitted_ns = 0;
        bytes_span read_into;
        bio_stamps parts;
    };

    fsdemo::open_file& file_of(std::uint64_t key) const noexcept {
        return *files_[key / extents_per_file_ / jobs_];
    }
    std::uint64_t offset_of(std::uint64_t key) const noexcept {
        return key % extents_per_file_ * extent_bytes_;
    }
    access_sequence make_sequence() const;
    void start(slot& io, std::uint64_t now_ns) noexcept;
    void end_io(fsdemo::file_io& ended) noexcept override;
    void count(const slot& ended, std::uint64_t now_ns) noexcept;
    void attribute(slot& ended, std::uint64_t now_ns) noexcept;

    const round_plan& plan_;
    fsdemo::demo_fs& fs_;
    env& env_;
    const std::uint32_t extent_bytes_;
    const std::uint64_t extents_per_file_;
    const unsigned jobs_;
    const unsigned job_;
    access_sequence sequence_;
    std::vector<slot> slots_;
    buffer_id read_buffer_;
    buffer_id write_buffer_;
    std::span<const fsdemo::file_handle> files_;
    std::uint64_t begun_ = 0;
    std::uint64_t wanted_ = 0;
    figures done_;
    alignas(64) std::atomic<std::uint64_t> live_bytes_{0};
};

} // namespace blkcrypto::bench
