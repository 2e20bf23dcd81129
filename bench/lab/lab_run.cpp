// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_run.hpp"

#include "bench/lab/image_check.hpp"
#include "bench/lab/image_hash.hpp"
#include "bench/lab/lab_steps.hpp"
#include "bench/lab/lab_turn.hpp"
#include "bench/lab/single_key.hpp"
#include "bench/lab/trace_record.hpp"
#include "bench/lab/write_sample.hpp"
#include "bench/round_progress.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

using seconds = std::chrono::duration<double>;

// Of a first turn of the control, which tells how long the others will take.
constexpr std::uint64_t trial_ios = 2000;
constexpr std::uint64_t trial_ns_min = 50'000'000; // long enough to tell how many take so long as is asked
constexpr std::uint64_t ns_per_ms = 1'000'000;

void check_modes(const lab_image_options& image) {
    for (const auto* mode : image.modes)
        if (selected_implementation(mode->mode) == nullptr)
            throw cli::unusable(mode->name, "no implementation in this build", ENOPKG);
}

// What a first turn of the control tells of those that are to come.
struct trial {
    std::uint64_t ios = 0;
    std::uint64_t elapsed_ns = 0;       // of its timed phase
    std::chrono::nanoseconds rest_ns{}; // before and after that

    double io_ns() const { return static_cast<double>(elapsed_ns) / static_cast<double>(ios); }
    std::uint64_t ios_in(unsigned runtime_ms) const {
        const double fit = static_cast<double>(runtime_ms * ns_per_ms) / io_ns();
        return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(fit));
    }
    std::chrono::nanoseconds turn_of(std::uint64_t count) const {
        const double timed_ns = io_ns() * static_cast<double>(count);
        return rest_ns + std::chrono::nanoseconds(static_cast<std::int64_t>(timed_ns));
    }
};

// A strategy takes part until it stops.
class lab {
  public:
    lab(const lab_options& options, env& e);

    lab_result run();

  private:
    std::size_t participants() const { return 1 + options_.strategies.size(); }
    /// The control is the first of them.
    lab_strategy_result& participant(std::size_t i) {
        return i == 0 ? result_.single_key : result_.strategies[i - 1];
    }
    const std::string& image_of(const lab_strategy_result& subject) const {
        return &subject == &result_.single_key ? image_.control_path() : image_.path();
    }

    trial try_control(std::uint64_t ios);
    trial try_long_enough();
    void run_round(unsigned round, round_progress& progress);
    void take_turn(const round_plan& plan, lab_strategy_result& subject, const turn_observer& tell);
    void compare_images(unsigned round);

    const lab_options& options_;
    env& env_;
    const std::uint64_t start_ns_;
    const lab_image image_;
    std::uint64_t ios_ = 0; // of each job in each round
    lab_result result_;
};

lab::lab(const lab_options& options, env& e)
    : options_(options), env_(e), start_ns_(e.now_ns()), image_(options, e) {
    result_.layout_s = seconds(std::chrono::nanoseconds(e.now_ns() - start_ns_)).count();
    result_.machine = this_machine();
    result_.image_bytes = image_.size_bytes();
    result_.single_key.strategy = &single_key_strategy();
    for (const auto* strategy : options.strategies)
        result_.strategies.push_back({.strategy = strategy, .rounds = {}, .stop = {}});
}

lab_result lab::run() {
    result_.steps = measure_steps(options_, image_.master_keys(), env_);
    const trial tried = try_long_enough();
    ios_ = options_.workload.ios != 0 ? options_.workload.ios : tried.ios_in(options_.workload.runtime_ms);
    record_trace(options_, ios_); // before the rounds: one that cannot be written takes no run with it
    round_progress progress(options_.workload.rounds * static_cast<unsigned>(participants()),
                            tried.turn_of(ios_));
    for (unsigned round = 0; round < options_.workload.rounds; ++round)
        run_round(round, progress);
    result_.images_agree = result_.first_difference.empty();
    return std::move(result_);
}

// --- how long it will take ---

trial lab::try_control(std::uint64_t ios) {
    const round_contents contents(options_.workload.seed, round_contents::laid_out,
                                  options_.image.extent_bytes);
    const std::uint64_t start_ns = env_.now_ns();
    lab_stack stack(image_.control_path(), single_key_strategy(), options_, env_);
    result_.image_io = fmt::format("{} ({})", name_of(stack.io().io), stack.io().why);
    const auto outcome = run_turn({options_, contents, 0, ios}, image_, stack, env_, [](std::uint64_t) {});
    if (outcome.stop)
        throw cli::file_error(cli::exit_failed, "the control", outcome.stop->error.value());
    const std::chrono::nanoseconds rest(env_.now_ns() - start_ns - outcome.done.elapsed_ns);
    return {ios, outcome.done.elapsed_ns, rest};
}

trial lab::try_long_enough() {
    if (options_.workload.ios != 0)
        return try_control(std::min(options_.workload.ios, trial_ios));
    const std::uint64_t enough_ns = std::min(trial_ns_min, options_.workload.runtime_ms * ns_per_ms);
    trial tried = try_control(trial_ios);
    while (tried.elapsed_ns < enough_ns)
        tried = try_control(4 * tried.ios);
    return tried;
}

// --- the rounds ---

void lab::run_round(unsigned round, round_progress& progress) {
    const round_contents contents(options_.workload.seed, round, options_.image.extent_bytes);
    const round_plan plan{options_, contents, round, ios_};
    std::string_view last_writer;
    for (const std::size_t i : order_of_round(round, options_.workload.rounds, participants())) {
        lab_strategy_result& subject = participant(i);
        progress.begin_slice(round, subject.strategy->name);
        if (subject.stop)
            continue;
        take_turn(plan, subject, [&](std::uint64_t bytes) { progress.update(bytes); });
        if (i == 0 || subject.stop)
            continue;
        subject.rounds.back().image_hash = image_hash(image_.path());
        last_writer = subject.strategy->name;
    }
    compare_images(round);
    if (!last_writer.empty() && result_.first_difference.empty())
        check_image(plan, image_, last_writer, env_);
}

void lab::take_turn(const round_plan& plan, lab_strategy_result& subject, const turn_observer& tell) {
    const auto spoiled = spoil_samples(plan, image_, image_of(subject));
    lab_stack stack(image_of(subject), *subject.strategy, options_, env_);
    turn_outcome outcome = run_turn(plan, image_, stack, env_, tell);
    subject.stop = std::move(outcome.stop);
    if (subject.stop)
        mend_samples(spoiled, image_of(subject));
    else
        subject.rounds.push_back(std::move(outcome.done));
}

void lab::compare_images(unsigned round) {
    const std::string who = image_difference(result_.strategies, round);
    if (!who.empty() && result_.first_difference.empty())
        result_.first_difference = fmt::format("round {}: {}", round + 1, who);
}

} // namespace

lab_result run_lab(const lab_options& options) {
    check_modes(options.image);
    const auto e = cli::take(thread_env::make(), "event loop", cli::exit_failed);
    return lab(options, *e).run();
}

} // namespace blkcrypto::bench
