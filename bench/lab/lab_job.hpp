// SPDX-License-Identifier: Apache-2.0
#pragma once
// A job's part in a turn: its mount of the image, its files, its load. Made, used and destroyed on its
// thread, step by step, together with the other jobs.

#include "bench/lab/job_load.hpp"
#include "bench/lab/lab_image.hpp"
#include "bench/lab/lab_stack.hpp"
#include "blkcrypto/base/thread_env.hpp"

namespace blkcrypto::bench {

class lab_job {
  public:
    /// Mounts. program_error, exit code 1.
    lab_job(const round_plan& plan, const lab_image& image, lab_stack& stack, unsigned job);
    /// No file is open, of any job: a strategy forgets a master key with the first mount that goes.
    ~lab_job() = default;

    // --- the steps, in this order ---

    /// Opens its files, and of the first reads an extent at once. program_error for what no strategy is to
    /// blame for.
    void open_files();
    /// What the tree says of the files is in memory then, if there is room for it: strategies that look at
    /// every extent when a file is opened have no start of the others in the timed loop.
    void look_at_extents();
    /// program_error as above.
    void run_load();
    /// Whether a sample of what was written is read again. program_error, which names `who`: it is not, or
    /// reading fails for another reason than a lack of memory.
    void check_reads(std::string_view who);
    void close_files() noexcept { files_.clear(); }

    // --- what came of them ---

    struct open_figures {
        std::uint64_t files = 0;
        std::uint64_t all_ns = 0;
        std::uint64_t max_ns = 0;
        std::uint64_t first_byte_ns = 0;
        std::uint64_t modules_loaded = 0; // by opening
    };
    const open_figures& opened() const noexcept { return opened_; }
    const job_load& load() const noexcept { return load_; }
    /// Of the timed loop.
    const keyslot_counters& tfm_use() const noexcept { return tfm_use_; }
    const fsdemo::cache_counters& derived_keys() const noexcept { return derived_keys_; }
    std::uint64_t modules_loaded() const noexcept { return fs_->modules_loaded(); }

    /// Why the strategy could not go on, and what it had then.
    struct shortage {
        bool is_in_io = false;
        std::error_code error;
        fsdemo::strategy_figures figures;
    };
    const std::optional<shortage>& stopped() const noexcept { return stopped_; }

  private:
    std::unique_ptr<fsdemo::demo_fs> mount(const lab_image& image);
    bool open_next(fsdemo::inode_number inode);
    void read_first_byte(std::uint64_t start_ns);
    void stop(bool is_in_io, std::error_code error, std::string_view what);

    const round_plan& plan_;
    lab_stack& stack_;
    const std::vector<fsdemo::inode_number> inodes_; // of its files
    const std::unique_ptr<thread_env> env_;
    const std::unique_ptr<thread_env> metadata_env_;
    const io_buffers memory_;
    const bool has_room_for_tree_;
    const std::unique_ptr<fsdemo::demo_fs> fs_;
    job_load load_;
    std::vector<fsdemo::file_handle> files_;
    open_figures opened_;
    keyslot_counters tfm_use_;
    fsdemo::cache_counters derived_keys_;
    std::optional<shortage> stopped_;
};

} // namespace blkcrypto::bench
