// SPDX-License-Identifier: Apache-2.0
#pragma once
// The threads of a turn, one for each job. They do what they are told step by step, all at the same time;
// whoever tells them waits until all have done it. So none is measured while another sets up or takes down.

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace blkcrypto::bench {

class job_crew {
  public:
    using step = std::function<void(unsigned job)>;

    /// program_error: the system refuses a thread.
    explicit job_crew(unsigned jobs);
    ~job_crew();
    job_crew(const job_crew&) = delete;
    job_crew& operator=(const job_crew&) = delete;

    /// Each thread does it once. `meanwhile`, if there is one, is called a few times a second. What a step
    /// throws is thrown here, of several the first, once all have ended.
    void run(const step& what, const std::function<void()>& meanwhile = {});

    unsigned jobs() const noexcept { return static_cast<unsigned>(threads_.size()); }

  private:
    void work(unsigned job) noexcept;
    void start(unsigned jobs);
    void end() noexcept;
    bool wait_a_moment();

    std::mutex mutex_;
    std::condition_variable changed_;
    const step* step_ = nullptr;
    unsigned steps_ = 0; // begun so far
    unsigned busy_ = 0;  // threads that have not done the last one
    bool is_ending_ = false;
    std::exception_ptr failure_;
    std::vector<std::thread> threads_;
};

} // namespace blkcrypto::bench
