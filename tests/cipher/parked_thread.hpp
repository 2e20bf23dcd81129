// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs something on a stack of its own, which stays as it was left: for a look at what is on it.

#include <array>
#include <atomic>
#include <cstddef>
#include <thread>

namespace blkcrypto::test {

class parked_thread {
  public:
    /// Returns when `body` has.
    template <typename Body>
    explicit parked_thread(Body body)
        : thread_([this, body] {
              run_below(body);
              enter(stage::parked);
              stage_.wait(stage::parked);
          }) {
        stage_.wait(stage::running);
    }
    ~parked_thread() {
        enter(stage::leaving);
        thread_.join();
    }
    parked_thread(const parked_thread&) = delete;
    parked_thread& operator=(const parked_thread&) = delete;

  private:
    enum class stage { running, parked, leaving };

    // Further down the stack than what waiting writes to.
    template <typename Body>
    [[gnu::noinline]] static void run_below(const Body& body) {
        std::array<std::byte, 4096> above;
        asm volatile("" ::"r"(above.data()) : "memory");
        body();
        asm volatile("" ::"r"(above.data()) : "memory");
    }

    void enter(stage next) {
        stage_ = next;
        stage_.notify_one();
    }

    std::atomic<stage> stage_{stage::running};
    std::thread thread_;
};

} // namespace blkcrypto::test
