// SPDX-License-Identifier: Apache-2.0
#pragma once
// A fixed number of threads that run tasks in the order they were posted: our workqueue. The fallback
// decrypts on one, the inline engine model runs on one of its own so that its CPU time can be told from the
// host's.

#include "blkcrypto/base/env.hpp"
#include "blkcrypto/base/result.hpp"

#include <condition_variable>
#include <memory>
#include <thread>
#include <vector>

namespace blkcrypto {

class worker_pool final : public executor {
  public:
    /// EINVAL for no threads, EAGAIN where the system refuses one. `name` is what ps shows.
    static result<std::unique_ptr<worker_pool>> make(unsigned threads, const char* name);

    /// Runs what is posted already, then ends the threads.
    ~worker_pool();

    void post(task& t) noexcept override;
    void post_all(task_list& tasks) noexcept override;
    unsigned threads() const noexcept { return static_cast<unsigned>(threads_.size()); }

    /// CPU time all threads have used so far.
    std::uint64_t cpu_time_ns() const noexcept;

  private:
    worker_pool();
    void run(unsigned worker) noexcept;

    mutex mutex_;
    std::condition_variable_any posted_or_ending_;
    task_list tasks_ BLKCRYPTO_GUARDED_BY(mutex_);
    unsigned idle_ BLKCRYPTO_GUARDED_BY(mutex_) = 0; // threads that sleep: nobody to notify when 0
    bool ending_ BLKCRYPTO_GUARDED_BY(mutex_) = false;
    std::vector<std::thread> threads_;
};

} // namespace blkcrypto
