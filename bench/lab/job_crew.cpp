// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/job_crew.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <chrono>
#include <system_error>

namespace blkcrypto::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto tell_every = 250ms;

} // namespace

job_crew::job_crew(unsigned jobs) {
    try {
        start(jobs);
    } catch (const std::system_error& refused) {
        end();
        throw cli::file_error(cli::exit_failed, "threads of the jobs", refused.code().value());
    }
}

job_crew::~job_crew() {
    end();
}

void job_crew::start(unsigned jobs) {
    threads_.reserve(jobs);
    for (unsigned job = 0; job < jobs; ++job)
        threads_.emplace_back([this, job] { work(job); });
}

void job_crew::end() noexcept {
    {
        const std::lock_guard lock(mutex_);
        is_ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_)
        thread.join();
}

void job_crew::work(unsigned job) noexcept {
    std::unique_lock lock(mutex_);
    for (unsigned done = 0;; ++done) {
        changed_.wait(lock, [&] { return is_ending_ || steps_ != done; });
        if (is_ending_)
            return;
        const step& what = *step_;
        lock.unlock();
        std::exception_ptr failure;
        try {
            what(job);
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        if (!failure_)
            failure_ = failure;
        if (--busy_ == 0)
            changed_.notify_all();
    }
}

bool job_crew::wait_a_moment() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, tell_every, [this] { return busy_ == 0; });
}

void job_crew::run(const step& what, const std::function<void()>& meanwhile) {
    {
        const std::lock_guard lock(mutex_);
        step_ = &what;
        busy_ = jobs();
        ++steps_;
    }
    changed_.notify_all();
    while (!wait_a_moment())
        if (meanwhile)
            meanwhile();
    const std::lock_guard lock(mutex_);
    if (const std::exception_ptr failure = std::exchange(failure_, nullptr))
        std::rethrow_exception(failure);
}

} // namespace blkcrypto::bench
