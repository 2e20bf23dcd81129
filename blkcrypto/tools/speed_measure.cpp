// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/speed_measure.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/cli/statistics.hpp"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

namespace blkcrypto::tools {
namespace {

using clock = std::chrono::steady_clock;

// The most of a call: many small units, one large one.
constexpr std::size_t call_bytes_max = data_unit_size::max_bytes;

// Between two looks at the clock, so that these do not count.
constexpr std::size_t bytes_per_look = 512 << 10;

// Where a thread has got to in its working set, which goes on from subject to subject: memory that is larger
// than the caches is never in them.
class speed_lane {
  public:
    speed_lane(bytes_span working_set, const speed_conditions& conditions)
        : source_(working_set.first(working_set.size() / 2)),
          target_(working_set.last(working_set.size() / 2)),
          call_bytes_(std::min(call_bytes_max, source_.size())), conditions_(conditions) {}

    void call(speed_subject& subject, unsigned thread) noexcept {
        subject.run(thread, {conditions_.direction,
                             conditions_.unit_size,
                             conditions_.unit_size.units_in(at_),
                             {source_.data() + at_, target_.data() + at_, call_bytes_}});
        at_ = at_ + 2 * call_bytes_ <= source_.size() ? at_ + call_bytes_ : 0;
    }

    /// What passes between two looks at the clock.
    std::size_t calls(speed_subject& subject, unsigned thread) noexcept {
        std::size_t done_bytes = 0;
        for (; done_bytes < bytes_per_look; done_bytes += call_bytes_)
            call(subject, thread);
        return done_bytes;
    }

  private:
    bytes_span source_;
    bytes_span target_;
    std::size_t call_bytes_;
    const speed_conditions& conditions_;
    std::size_t at_ = 0;
};

// Bytes per ns are GB per s.
double rate_of(std::size_t bytes, clock::duration elapsed) {
    return static_cast<double>(bytes) /
           static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
}

double run_on_this_thread(speed_subject& subject, speed_lane& lane, std::chrono::nanoseconds slice) {
    lane.call(subject, 0);
    const auto start = clock::now();
    clock::duration elapsed{};
    std::size_t done_bytes = 0;
    while (elapsed < slice) {
        done_bytes += lane.calls(subject, 0);
        elapsed = clock::now() - start;
    }
    return rate_of(done_bytes, elapsed);
}

// Threads that begin together when all of them are there, and are stopped together: what they did in this
// time is what the machine can do with so many, however few processors it has.
class thread_slice {
  public:
    thread_slice(speed_subject& subject, std::vector<speed_lane>& lanes)
        : subject_(subject), lanes_(lanes), results_(lanes.size()) {
        try {
            for (unsigned i = 0; i < lanes_.size(); ++i)
                threads_.emplace_back([this, i] { work(i); });
        } catch (const std::system_error& error) {
            enter(stage::stopped); // those that are there go home
            throw cli::file_error(cli::exit_failed, "threads", error.code().value());
        }
    }

    double run(std::chrono::nanoseconds slice) {
        for (std::size_t there = ready_; there < lanes_.size(); there = ready_)
            ready_.wait(there);
        const auto start = clock::now();
        enter(stage::running);
        std::this_thread::sleep_for(slice);
        enter(stage::stopped);
        threads_.clear(); // joins
        std::size_t bytes = 0;
        auto end = start;
        for (const auto& result : results_) {
            bytes += result.bytes;
            end = std::max(end, result.end);
        }
        return rate_of(bytes, end - start);
    }

  private:
    enum class stage { waiting, running, stopped };
    struct thread_result {
        std::size_t bytes = 0;
        clock::time_point end;
    };

    void enter(stage next) noexcept {
        stage_ = next;
        stage_.notify_all();
    }

    void work(unsigned thread) noexcept {
        lanes_[thread].call(subject_, thread);
        ++ready_;
        ready_.notify_one();
        stage_.wait(stage::waiting);
        while (stage_ == stage::running)
            results_[thread].bytes += lanes_[thread].calls(subject_, thread);
        results_[thread].end = clock::now();
    }

    speed_subject& subject_;
    std::vector<speed_lane>& lanes_;
    std::vector<thread_result> results_;
    std::atomic<std::size_t> ready_{0};
    std::atomic<stage> stage_{stage::waiting};
    std::vector<std::jthread> threads_; // last: joined before the rest goes
};

double run_slice(speed_subject& subject, std::vector<speed_lane>& lanes, std::chrono::nanoseconds slice) {
    return lanes.size() == 1 ? run_on_this_thread(subject, lanes[0], slice)
                             : thread_slice(subject, lanes).run(slice);
}

speed_figures figures_of(const std::vector<double>& rates) {
    const auto [min, max] = std::ranges::minmax(rates);
    return {min, cli::median_of(rates), max};
}

// By subject, then by round.
using speed_rates = std::vector<std::vector<double>>;

std::optional<double> ratio_to(speed_role role, const std::vector<double>& rates,
                               const speed_subjects& subjects, const speed_rates& all) {
    const auto found = std::ranges::find(subjects, role, &speed_subject::role);
    if (found == subjects.end())
        return role == speed_role::openssl ? ratio_to(speed_role::openssl_elsewise, rates, subjects, all)
                                           : std::nullopt;
    const auto& others = all[static_cast<std::size_t>(found - subjects.begin())];
    std::vector<double> ratios;
    for (std::size_t round = 0; round < rates.size(); ++round)
        ratios.push_back(rates[round] / others[round]);
    return cli::median_of(std::move(ratios));
}

} // namespace

std::vector<speed_row> measure_speed(const speed_subjects& subjects, const speed_conditions& conditions,
                                     bytes_span memory, const speed_effort& effort,
                                     const std::function<void()>& slice_done) {
    std::vector<speed_lane> lanes;
    const std::size_t set_bytes = conditions.working_set_bytes;
    for (unsigned i = 0; i < conditions.threads; ++i)
        lanes.emplace_back(memory.subspan(i * set_bytes, set_bytes), conditions);
    speed_rates rates(subjects.size());
    for (unsigned round = 0; round < effort.rounds; ++round)
        for (std::size_t turn = 0; turn < subjects.size(); ++turn) {
            const std::size_t i = (turn + round) % subjects.size(); // nobody always comes after the same one
            rates[i].push_back(run_slice(*subjects[i], lanes, effort.slice));
            slice_done();
        }
    std::vector<speed_row> rows;
    for (std::size_t i = 0; i < subjects.size(); ++i)
        rows.push_back({subjects[i]->name(), subjects[i]->role(), conditions, figures_of(rates[i]),
                        ratio_to(speed_role::openssl, rates[i], subjects, rates),
                        ratio_to(speed_role::instructions, rates[i], subjects, rates),
                        ratio_to(speed_role::memory, rates[i], subjects, rates)});
    return rows;
}

} // namespace blkcrypto::tools
