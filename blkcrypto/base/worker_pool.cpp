// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/worker_pool.hpp"

#include <cerrno>
#include <ctime>
#include <pthread.h>
#include <system_error>

namespace blkcrypto {
namespace {

constexpr lock_class pool_lock{"worker_pool"};

} // namespace

worker_pool::worker_pool() : mutex_(pool_lock) {}

result<std::unique_ptr<worker_pool>> worker_pool::make(unsigned threads, const char* name) {
    if (threads == 0)
        return make_error(EINVAL);
    return or_no_memory([&]() -> result<std::unique_ptr<worker_pool>> {
        std::unique_ptr<worker_pool> pool(new worker_pool);
        pool->threads_.reserve(threads);
        try {
            for (unsigned i = 0; i < threads; ++i) {
                pool->threads_.emplace_back([p = pool.get(), i] { p->run(i); });
                pthread_setname_np(pool->threads_.back().native_handle(), name);
            }
        } catch (const std::system_error& refused) {
            return refused.code();
        }
        return pool;
    });
}

worker_pool::~worker_pool() {
    {
        const plain_lock lock(mutex_);
        ending_ = true;
    }
    posted_or_ending_.notify_all();
    for (auto& thread : threads_)
        thread.join();
}

void worker_pool::post(task& t) noexcept {
    task_list one;
    one.push(t);
    post_all(one);
}

// One thread is woken for all; it wakes the next if it leaves work behind.
void worker_pool::post_all(task_list& tasks) noexcept {
    if (tasks.empty())
        return;
    bool wake = false;
    {
        const plain_lock lock(mutex_);
        tasks_.append(tasks);
        wake = idle_ > 0;
    }
    if (wake)
        posted_or_ending_.notify_one();
}

void worker_pool::run(unsigned worker) noexcept {
    mutex_.lock();
    for (;;) {
        if (task* next = tasks_.pop()) {
            const bool wake_another = idle_ > 0 && !tasks_.empty();
            mutex_.unlock();
            if (wake_another)
                posted_or_ending_.notify_one();
            next->run(worker);
            mutex_.lock();
        } else if (ending_) {
            break;
        } else {
            ++idle_;
            posted_or_ending_.wait(mutex_);
            --idle_;
        }
    }
    mutex_.unlock();
}

std::uint64_t worker_pool::cpu_time_ns() const noexcept {
    std::uint64_t total = 0;
    for (const auto& thread : threads_) {
        clockid_t clock;
        timespec used;
        auto handle = const_cast<std::thread&>(thread).native_handle();
        if (pthread_getcpuclockid(handle, &clock) == 0 && clock_gettime(clock, &used) == 0)
            total += static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 +
                     static_cast<std::uint64_t>(used.tv_nsec);
    }
    return total;
}

} // namespace blkcrypto
