// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/speed_measure.hpp"

#include <algorithm>
#include <barrier>
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
    speed_lane(bytes_span working_set, const speed_case& of)
        : source_(working_set.first(working_set.size() / 2)),
          target_(working_set.last(working_set.size() / 2)),
          call_bytes_(std::min(call_bytes_max, source_.size())), case_(of) {}

    void call(speed_subject& subject, unsigned thread) noexcept {
        subject.run(thread, {case_.direction,
                             case_.unit_size,
                             case_.unit_size.units_in(at_),
                             {source_.data() + at_, target_.data() + at_, call_bytes_}});
        at_ = at_ + 2 * call_bytes_ <= source_.size() ? at_ + call_bytes_ : 0;
    }

    /// Bytes per ns, which are GB per s.
    double run_for(std::chrono::nanoseconds slice, speed_subject& subject, unsigned thread) noexcept {
        const auto start = clock::now();
        std::chrono::nanoseconds elapsed{};
        std::size_t done_bytes = 0;
        while (elapsed < slice) {
            for (std::size_t looked_bytes = 0; looked_bytes < bytes_per_look; looked_bytes += call_bytes_)
                call(subject, thread);
            done_bytes += bytes_per_look;
            elapsed = clock::now() - start;
        }
        return static_cast<double>(done_bytes) / static_cast<double>(elapsed.count());
    }

  private:
    bytes_span source_;
    bytes_span target_;
    std::size_t call_bytes_;
    const speed_case& case_;
    std::size_t at_ = 0;
};

double run_slice(speed_subject& subject, std::vector<speed_lane>& lanes, std::chrono::nanoseconds slice) {
    if (lanes.size() == 1) {
        lanes[0].call(subject, 0);
        return lanes[0].run_for(slice, subject, 0);
    }
    std::vector<double> rates(lanes.size());
    std::barrier start(static_cast<std::ptrdiff_t>(lanes.size()));
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < lanes.size(); ++i)
        threads.emplace_back([&, i] {
            lanes[i].call(subject, i);
            start.arrive_and_wait();
            rates[i] = lanes[i].run_for(slice, subject, i);
        });
    threads.clear(); // joins
    double sum = 0;
    for (const double rate : rates)
        sum += rate;
    return sum;
}

double median_of(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

speed_figures figures_of(const std::vector<double>& rates) {
    const auto [min, max] = std::ranges::minmax(rates);
    return {min, median_of(rates), max};
}

// By subject, then by round.
using speed_rates = std::vector<std::vector<double>>;

std::optional<double> ratio_to(speed_role role, const std::vector<double>& rates,
                               const speed_subjects& subjects, const speed_rates& all) {
    const auto found = std::ranges::find(subjects, role, &speed_subject::role);
    if (found == subjects.end())
        return std::nullopt;
    const auto& others = all[static_cast<std::size_t>(found - subjects.begin())];
    std::vector<double> ratios;
    for (std::size_t round = 0; round < rates.size(); ++round)
        ratios.push_back(rates[round] / others[round]);
    return median_of(std::move(ratios));
}

} // namespace

std::vector<speed_row> measure_speed(const speed_subjects& subjects, const speed_case& of, bytes_span memory,
                                     const speed_effort& effort, const std::function<void()>& slice_done) {
    std::vector<speed_lane> lanes;
    for (unsigned i = 0; i < of.threads; ++i)
        lanes.emplace_back(memory.subspan(i * of.working_set_bytes, of.working_set_bytes), of);
    speed_rates rates(subjects.size());
    for (unsigned round = 0; round < effort.rounds; ++round)
        for (std::size_t i = 0; i < subjects.size(); ++i) {
            rates[i].push_back(run_slice(*subjects[i], lanes, effort.slice));
            slice_done();
        }
    std::vector<speed_row> rows;
    for (std::size_t i = 0; i < subjects.size(); ++i)
        rows.push_back({subjects[i]->name(), subjects[i]->is_control(), of, figures_of(rates[i]),
                        ratio_to(speed_role::openssl, rates[i], subjects, rates),
                        ratio_to(speed_role::instructions, rates[i], subjects, rates)});
    return rows;
}

} // namespace blkcrypto::tools
