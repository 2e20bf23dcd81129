// SPDX-License-Identifier: Apache-2.0
#include "tests/support/simulated_env.hpp"

#include "blkcrypto/base/log.hpp"

#include <algorithm>
#include <poll.h>
#include <utility>

namespace blkcrypto::test {

unsigned simulated_env::run_ready() noexcept {
    unsigned count = run_due_timers();
    task_list ready = std::exchange(posted_, {});
    while (task* t = ready.pop()) {
        t->run(0);
        ++count;
    }
    return count;
}

unsigned simulated_env::run_due_timers() noexcept {
    unsigned count = 0;
    while (timers_ != nullptr && timers_->deadline_ns <= now_ns_) {
        timer* due = std::exchange(timers_, timers_->next_timer);
        due->run(0);
        ++count;
    }
    return count;
}

void simulated_env::do_sleep() noexcept {
    if (!posted_.empty())
        return;
    if (timers_ == nullptr && sources_.empty())
        fatal("deadlock: nothing can wake this thread");
    if (!sources_.empty() && poll_sources(timers_ == nullptr))
        return;
    if (timers_ != nullptr)
        now_ns_ = std::max(now_ns_, timers_->deadline_ns);
}

bool simulated_env::poll_sources(bool block) noexcept {
    std::vector<pollfd> fds;
    for (auto* source : sources_)
        source->before_sleep();
    for (const auto* source : sources_)
        fds.push_back({source->fd(), POLLIN, 0});
    if (::poll(fds.data(), fds.size(), block ? -1 : 0) <= 0)
        return false;
    // on_ready() may unwatch: go by descriptor, from the back.
    for (std::size_t i = fds.size(); i-- > 0;)
        if (fds[i].revents != 0 && i < sources_.size() && sources_[i]->fd() == fds[i].fd)
            sources_[i]->on_ready();
    return true;
}

void simulated_env::arm(timer& t, std::uint64_t deadline_ns) noexcept {
    t.deadline_ns = deadline_ns;
    timer** place = &timers_;
    while (*place != nullptr && (*place)->deadline_ns <= deadline_ns)
        place = &(*place)->next_timer;
    t.next_timer = std::exchange(*place, &t);
}

void simulated_env::cancel(timer& t) noexcept {
    for (timer** place = &timers_; *place != nullptr; place = &(*place)->next_timer)
        if (*place == &t) {
            *place = t.next_timer;
            return;
        }
}

std::error_code simulated_env::watch(event_source& source) noexcept {
    sources_.push_back(&source);
    return {};
}

void simulated_env::unwatch(event_source& source) noexcept {
    std::erase(sources_, &source);
}

simulated_executor::simulated_executor(simulated_env& environment, std::uint64_t seed,
                                       std::uint64_t delay_max_ns)
    : env_(environment), random_(seed), delay_max_ns_(delay_max_ns) {
    // Tests that count allocations post here too.
    delayed_.reserve(4096);
}

simulated_executor::~simulated_executor() {
    env_.cancel(*this);
}

void simulated_executor::post(task& t) noexcept {
    if (delay_max_ns_ == 0)
        return env_.post(t);
    const std::uint64_t due_ns = env_.now_ns() + random_.below(delay_max_ns_ + 1);
    const auto place =
        std::ranges::find_if(delayed_, [&](const delayed_task& d) { return d.due_ns <= due_ns; });
    delayed_.insert(place, {due_ns, &t});
    arm_for_first();
}

void simulated_executor::arm_for_first() noexcept {
    if (armed_)
        env_.cancel(*this);
    armed_ = !delayed_.empty();
    if (armed_)
        env_.arm(*this, delayed_.back().due_ns);
}

void simulated_executor::run(unsigned) noexcept {
    armed_ = false;
    while (!delayed_.empty() && delayed_.back().due_ns <= env_.now_ns()) {
        task* due = delayed_.back().what;
        delayed_.pop_back();
        due->run(0);
    }
    arm_for_first();
}

} // namespace blkcrypto::test
