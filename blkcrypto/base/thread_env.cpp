// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/thread_env.hpp"

#include "blkcrypto/base/log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <thread>
#include <unistd.h>

namespace blkcrypto {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

timespec to_timespec(std::int64_t ns) {
    return {static_cast<time_t>(ns / static_cast<std::int64_t>(ns_per_s)),
            static_cast<long>(ns % static_cast<std::int64_t>(ns_per_s))};
}

} // namespace

task_list task_mailbox::take_all() noexcept {
    task* newest = head_.exchange(nullptr);
    task* oldest = nullptr;
    while (newest != nullptr) {
        task* older = newest->next_task_;
        newest->next_task_ = oldest;
        oldest = newest;
        newest = older;
    }
    task_list in_order;
    while (oldest != nullptr) {
        task* next = oldest->next_task_;
        in_order.push(*oldest);
        oldest = next;
    }
    return in_order;
}

result<std::unique_ptr<thread_env>> thread_env::make(env_hooks* hooks, thread_sleeper* sleeper) {
    const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        return make_error(errno);
    auto made = or_no_memory([&]() -> result<std::unique_ptr<thread_env>> {
        return std::unique_ptr<thread_env>(new thread_env(wake_fd, hooks, sleeper));
    });
    if (made.has_error())
        close(wake_fd);
    return made;
}

// A poster may still be about to wake this thread, which has run its task long since.
thread_env::~thread_env() {
    while (posters_.load() != 0)
        std::this_thread::yield();
    close(wake_fd_);
}

void thread_env::post(task& t) noexcept {
    posters_.fetch_add(1);
    posted_.push(t);
    if (sleeping_.load() && sleeping_.exchange(false)) {
        const std::uint64_t one = 1;
        (void)!write(wake_fd_, &one, sizeof(one));
    }
    posters_.fetch_sub(1);
}

std::uint64_t thread_env::now_ns() noexcept {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * ns_per_s + static_cast<std::uint64_t>(now.tv_nsec);
}

void thread_env::fill_random(bytes_span bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
        if (got < 0 && errno != EINTR)
            fatal("getrandom failed: no random numbers, no keys");
        bytes = bytes.subspan(got > 0 ? static_cast<std::size_t>(got) : 0);
    }
}

unsigned thread_env::run_ready() noexcept {
    unsigned count = timers_ == nullptr ? 0 : run_due_timers();
    if (posted_.empty()) [[likely]]
        return count;
    task_list ready = posted_.take_all();
    while (task* t = ready.pop()) {
        t->run(0);
        ++count;
    }
    return count;
}

unsigned thread_env::run_due_timers() noexcept {
    const std::uint64_t now = now_ns();
    unsigned count = 0;
    while (timers_ != nullptr && timers_->deadline_ns <= now) {
        timer* due = timers_;
        timers_ = due->next_timer;
        due->run(0);
        ++count;
    }
    return count;
}

void thread_env::do_sleep() noexcept {
    sleeping_.store(true);
    if (posted_.empty())
        sleep_somewhere(timeout_ns());
    if (!sleeping_.exchange(false))
        ++wakes_owed_;
    if (wakes_owed_ != 0)
        drain_wake_fd();
}

void thread_env::sleep_somewhere(std::int64_t timeout_ns) noexcept {
    if (sleeper_ != nullptr)
        sleeper_->sleep(wake_fd_, sources_, timeout_ns);
    else if (sources_.size() != 1 || !sources_.front()->sleep_here(wake_fd_, timeout_ns))
        poll_sources(timeout_ns);
}

std::int64_t thread_env::timeout_ns() noexcept {
    if (timers_ == nullptr)
        return -1;
    const std::uint64_t now = now_ns();
    return timers_->deadline_ns <= now ? 0 : static_cast<std::int64_t>(timers_->deadline_ns - now);
}

void thread_env::poll_sources(std::int64_t timeout_ns) noexcept {
    std::array<pollfd, sources_max + 1> fds;
    fds[0] = {wake_fd_, POLLIN, 0};
    for (auto* source : sources_)
        source->before_sleep();
    for (std::size_t i = 0; i < sources_.size(); ++i)
        fds[i + 1] = {sources_[i]->fd(), POLLIN, 0};
    const std::size_t count = sources_.size() + 1;
    const timespec timeout = to_timespec(std::max<std::int64_t>(timeout_ns, 0));
    if (ppoll(fds.data(), count, timeout_ns < 0 ? nullptr : &timeout, nullptr) <= 0)
        return;
    // on_ready() may unwatch: go by descriptor, from the back.
    for (std::size_t i = count; i-- > 1;)
        if (fds[i].revents != 0 && i <= sources_.size() && sources_[i - 1]->fd() == fds[i].fd)
            sources_[i - 1]->on_ready();
}

// Whoever cleared the flag has written to the descriptor or is about to: what is not there yet stays owed, or
// a descriptor left readable would keep this thread from ever sleeping again.
void thread_env::drain_wake_fd() noexcept {
    std::uint64_t written = 0;
    if (read(wake_fd_, &written, sizeof(written)) == sizeof(written))
        wakes_owed_ -= written;
}

void thread_env::arm(timer& t, std::uint64_t deadline_ns) noexcept {
    t.deadline_ns = deadline_ns;
    timer** place = &timers_;
    while (*place != nullptr && (*place)->deadline_ns <= deadline_ns)
        place = &(*place)->next_timer;
    t.next_timer = *place;
    *place = &t;
}

void thread_env::cancel(timer& t) noexcept {
    for (timer** place = &timers_; *place != nullptr; place = &(*place)->next_timer)
        if (*place == &t) {
            *place = t.next_timer;
            return;
        }
}

std::error_code thread_env::watch(event_source& source) noexcept {
    if (sources_.size() == sources_max)
        return std::make_error_code(std::errc::no_space_on_device);
    sources_.push_back(&source);
    return {};
}

void thread_env::unwatch(event_source& source) noexcept {
    std::erase(sources_, &source);
}

} // namespace blkcrypto
