// SPDX-License-Identifier: Apache-2.0
#include "bench/workload.hpp"

#include "bench/io_buffers.hpp"
#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <sys/resource.h>
#include <thread>

namespace blkcrypto::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto tell_every = 250ms;

std::uint64_t process_cpu_ns() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto ns = [](const timeval& time) {
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
               static_cast<std::uint64_t>(time.tv_usec) * 1000;
    };
    return ns(used.ru_utime) + ns(used.ru_stime);
}

// Where the threads of a slice meet: all are set up before any starts, and none takes down its queue while
// another is still measured.
class slice_gate {
  public:
    enum class phase { setting_up, running, taking_down };

    /// For the jobs: counts itself and waits for the phase after `now`. False if the slice is called off.
    bool arrive(phase now) {
        std::unique_lock lock(mutex_);
        ++arrived_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return phase_ > now; });
        return !called_off_;
    }

    /// For the one who runs the slice: waits a moment for `count` jobs to arrive; true if they have.
    bool wait_for(unsigned count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, tell_every, [&] { return arrived_ == count; });
    }
    void begin(phase next, bool call_off = false) {
        const std::lock_guard lock(mutex_);
        phase_ = next;
        called_off_ = call_off;
        arrived_ = 0;
        changed_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    phase phase_ = phase::setting_up;
    unsigned arrived_ = 0;
    bool called_off_ = false;
};

// What one thread has for a slice: made, used and destroyed on that thread.
class job_io final : public block_observer {
  public:
    static constexpr std::uint64_t content_part = 1; // of the seed

    job_io(const workload_options& options, const key_stripes& stripes, unsigned job, unsigned round,
           std::atomic<std::uint64_t>& live_bytes)
        : live_bytes_(live_bytes), stream_(options, stripes.size_bytes(), job, round),
          buffers_(options.depth, options.block_bytes) {
        fill_content(sub_seed(options.seed, content_part), 0, buffers_.all());
    }

    std::error_code set_up(compare_path& path, const workload_options& options);
    void measure(std::uint64_t slice_ns);

    slice_result done;

  private:
    void submit_next(block_io& io, std::uint64_t now_ns) noexcept;
    void block_ended(block_io& ended) noexcept override;
    void count(const block_io& ended, std::uint64_t now_ns) noexcept;

    std::atomic<std::uint64_t>& live_bytes_; // written here only
    block_stream stream_;
    io_buffers buffers_;
    std::unique_ptr<thread_env> env_;
    std::unique_ptr<submit_queue> queue_;
    std::deque<block_io> blocks_;
    std::uint64_t deadline_ns_ = 0;
};

std::error_code job_io::set_up(compare_path& path, const workload_options& options) {
    auto made_env = thread_env::make();
    if (made_env.has_error())
        return made_env.error();
    env_ = std::move(*made_env);
    auto made_queue = path.make_queue(
        *env_, {.depth = options.depth, .io_size_bytes = options.block_bytes, .nomerges = options.nomerges});
    if (made_queue.has_error())
        return made_queue.error();
    queue_ = std::move(*made_queue);
    const buffer_id registered = queue_->register_buffer(buffers_.all());
    for (unsigned i = 0; i < options.depth; ++i)
        blocks_.emplace_back(path.layout(), buffers_[i], registered, *this);
    return {};
}

void job_io::measure(std::uint64_t slice_ns) {
    const keyslot_counters before = queue_->keyslot_use();
    const std::uint64_t start_ns = env_->now_ns();
    deadline_ns_ = start_ns + slice_ns;
    for (auto& io : blocks_)
        submit_next(io, env_->now_ns());
    while (queue_->in_flight() != 0)
        queue_->wait();
    done.elapsed_ns = env_->now_ns() - start_ns;
    const keyslot_counters after = queue_->keyslot_use();
    done.keyslots = {after.hits - before.hits, after.misses - before.misses,
                     after.evictions - before.evictions, after.waits - before.waits};
}

void job_io::submit_next(block_io& io, std::uint64_t now_ns) noexcept {
    const auto step = stream_.next();
    io.submitted_ns = now_ns;
    io.submit(*queue_, step.op, step.block);
}

void job_io::block_ended(block_io& ended) noexcept {
    const std::uint64_t now_ns = env_->now_ns();
    count(ended, now_ns);
    if (now_ns < deadline_ns_)
        submit_next(ended, now_ns);
}

void job_io::count(const block_io& ended, std::uint64_t now_ns) noexcept {
    if (ended.failure()) {
        ++done.errors;
        if (!done.first_failure)
            done.first_failure = ended.failure();
        return;
    }
    ++done.ios;
    done.bytes += ended.block().length_bytes;
    done.latencies.record(now_ns - ended.submitted_ns);
    live_bytes_.store(done.bytes, std::memory_order_relaxed);
}

void add(slice_result& to, const slice_result& job) {
    to.bytes += job.bytes;
    to.ios += job.ios;
    to.elapsed_ns = std::max(to.elapsed_ns, job.elapsed_ns);
    to.latencies += job.latencies;
    to.keyslots += job.keyslots;
    to.errors += job.errors;
    if (!to.first_failure)
        to.first_failure = job.first_failure;
}

// A thread of the slice, and what it leaves behind.
struct job_thread {
    alignas(64) std::atomic<std::uint64_t> live_bytes{0};
    std::unique_ptr<slice_result> done;
    std::error_code error;
    std::thread thread;

    void run(compare_path& path, const workload_options& options, unsigned job, unsigned round,
             std::uint64_t slice_ns, slice_gate& gate) noexcept {
        std::unique_ptr<job_io> io;
        try {
            io = std::make_unique<job_io>(options, *path.layout().stripes, job, round, live_bytes);
            done = std::make_unique<slice_result>();
            error = io->set_up(path, options);
        } catch (const std::bad_alloc&) {
            error = make_error(ENOMEM);
        }
        if (!gate.arrive(slice_gate::phase::setting_up))
            return;
        io->measure(slice_ns);
        gate.arrive(slice_gate::phase::running);
        *done = io->done;
    }
};

class slice {
  public:
    slice(compare_path& path, const workload_options& options) : path_(path), options_(options) {}

    ~slice() {
        gate_.begin(slice_gate::phase::taking_down, true);
        for (auto& job : jobs_)
            job.thread.join();
    }

    slice_result run(unsigned round, std::uint64_t slice_ns, const slice_observer& tell) {
        start_threads(round, slice_ns);
        slice_result all;
        const std::uint64_t cpu_ns = process_cpu_ns();
        const std::uint64_t engine_ns = path_.engine_cpu_ns();
        gate_.begin(slice_gate::phase::running);
        while (!gate_.wait_for(options_.jobs))
            tell(live_bytes());
        all.engine_cpu_ns = path_.engine_cpu_ns() - engine_ns;
        const std::uint64_t used_ns = process_cpu_ns() - cpu_ns;
        all.host_cpu_ns = used_ns - std::min(used_ns, all.engine_cpu_ns);
        gate_.begin(slice_gate::phase::taking_down);
        for (auto& job : jobs_)
            job.thread.join();
        for (const auto& job : jobs_)
            add(all, *job.done);
        jobs_.clear();
        return all;
    }

  private:
    void start_threads(unsigned round, std::uint64_t slice_ns);

    std::uint64_t live_bytes() const {
        std::uint64_t bytes = 0;
        for (const auto& job : jobs_)
            bytes += job.live_bytes.load(std::memory_order_relaxed);
        return bytes;
    }

    compare_path& path_;
    const workload_options& options_;
    slice_gate gate_;
    std::deque<job_thread> jobs_;
};

void slice::start_threads(unsigned round, std::uint64_t slice_ns) {
    const auto failed = [&](std::error_code error) {
        return cli::file_error(cli::exit_failed, "threads of the workload", error.value());
    };
    try {
        for (unsigned i = 0; i < options_.jobs; ++i) {
            auto& job = jobs_.emplace_back();
            job.thread = std::thread(
                [this, &job, i, round, slice_ns] { job.run(path_, options_, i, round, slice_ns, gate_); });
        }
    } catch (const std::system_error& refused) {
        jobs_.pop_back(); // it has no thread
        throw failed(refused.code());
    }
    while (!gate_.wait_for(options_.jobs))
        ;
    for (const auto& job : jobs_)
        if (job.error)
            throw failed(job.error);
}

} // namespace

slice_result run_slice(compare_path& path, const workload_options& options, unsigned round,
                       std::uint64_t slice_ns, const slice_observer& tell) {
    return slice(path, options).run(round, slice_ns, tell);
}

} // namespace blkcrypto::bench
