// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_turn.hpp"

#include "bench/lab/job_crew.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

class turn {
  public:
    turn(const round_plan& plan, const lab_image& image, lab_stack& stack, env& e)
        : plan_(plan), stack_(stack), env_(e), crew_(plan.options.workload.jobs), jobs_(crew_.jobs()),
          image_(image) {}
    ~turn();

    turn_outcome run(const turn_observer& tell);

  private:
    void for_all(void (lab_job::*step)(), const std::function<void()>& meanwhile = {}) {
        crew_.run([this, step](unsigned job) { (*jobs_[job].*step)(); }, meanwhile);
    }
    bool has_stopped() const;
    std::uint64_t live_bytes() const;
    lab_turn_result collect() const;
    lab_stop why_stopped() const;

    const round_plan& plan_;
    lab_stack& stack_;
    env& env_;
    job_crew crew_;
    std::vector<std::unique_ptr<lab_job>> jobs_; // each made and destroyed on its thread
    const lab_image& image_;
};

// No mount goes before all files are closed.
turn::~turn() {
    crew_.run([this](unsigned job) {
        if (jobs_[job])
            jobs_[job]->close_files();
    });
    crew_.run([this](unsigned job) { jobs_[job].reset(); });
}

turn_outcome turn::run(const turn_observer& tell) {
    crew_.run([this](unsigned job) { jobs_[job] = std::make_unique<lab_job>(plan_, image_, stack_, job); });
    for_all(&lab_job::open_files);
    if (has_stopped())
        return {{}, why_stopped()};
    for_all(&lab_job::look_at_extents);
    const std::uint64_t engine_ns = stack_.engine_cpu_ns();
    const fsdemo::strategy_figures before = stack_.figures(env_);
    for_all(&lab_job::run_load, [&] { tell(live_bytes()); });
    if (has_stopped())
        return {{}, why_stopped()};
    turn_outcome outcome{collect(), {}};
    // Of the timed phase: the read of the first byte was before it, and it is not one of the I/Os.
    outcome.done.figures.io_allocations -= before.io_allocations;
    outcome.done.figures.io_allocated_bytes -= before.io_allocated_bytes;
    outcome.done.engine_cpu_ns = stack_.engine_cpu_ns() - engine_ns;
    crew_.run([this](unsigned job) { jobs_[job]->check_reads(stack_.info().name); });
    return outcome;
}

bool turn::has_stopped() const {
    return std::ranges::any_of(jobs_, [](const auto& job) { return job->stopped().has_value(); });
}

std::uint64_t turn::live_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& job : jobs_)
        bytes += job->load().live_bytes();
    return bytes;
}

// --- what came of it ---

void add(fsdemo::cache_counters& to, const fsdemo::cache_counters& more) {
    to.hits += more.hits;
    to.misses += more.misses;
    to.evictions += more.evictions;
}

void add_opening(lab_turn_result& to, const lab_job::open_figures& opened) {
    to.files_opened += opened.files;
    to.open_ns += opened.all_ns;
    to.open_max_ns = std::max(to.open_max_ns, opened.max_ns);
}

void add_load(lab_turn_result& to, const job_load::figures& load) {
    to.ios += load.ios;
    to.bytes += load.bytes;
    to.host_cpu_ns += load.cpu_ns;
    to.latencies += load.latencies;
    to.attribution += load.attribution;
}

lab_turn_result turn::collect() const {
    lab_turn_result all;
    std::uint64_t start_ns = jobs_.front()->load().done().start_ns;
    std::uint64_t end_ns = 0;
    for (const auto& job : jobs_) {
        add_opening(all, job->opened());
        add_load(all, job->load().done());
        all.tfm_use += job->tfm_use();
        add(all.derived_keys, job->derived_keys());
        all.modules_loaded += job->modules_loaded();
        all.modules_loaded_in_io += job->modules_loaded() - job->opened().modules_loaded;
        start_ns = std::min(start_ns, job->load().done().start_ns);
        end_ns = std::max(end_ns, job->load().done().end_ns);
    }
    all.first_byte_ns = jobs_.front()->opened().first_byte_ns;
    all.elapsed_ns = end_ns - start_ns;
    all.figures = stack_.figures(env_);
    all.info_bytes = stack_.info_bytes();
    return all;
}

// Of several jobs the one that had most then: transforms of those that had stopped before may be gone.
lab_stop turn::why_stopped() const {
    const lab_job::shortage* why = nullptr;
    std::uint64_t opened = 0;
    for (const auto& job : jobs_) {
        opened += job->opened().files;
        const auto& stopped = job->stopped();
        if (stopped && (why == nullptr || stopped->figures.transforms > why->figures.transforms))
            why = &*stopped;
    }
    return {.where = why->is_in_io ? "in the I/O path"
                                   : fmt::format("opening file {} of {}", opened + 1, image_.files().size()),
            .error = why->error,
            .at_memory_limit = why->error == std::errc::not_enough_memory && why->figures.limit_refusals != 0,
            .transforms = why->figures.transforms,
            .transform_bytes = why->figures.transform_bytes};
}

} // namespace

turn_outcome run_turn(const round_plan& plan, const lab_image& image, lab_stack& stack, env& e,
                      const turn_observer& tell) {
    return turn(plan, image, stack, e).run(tell);
}

} // namespace blkcrypto::bench
