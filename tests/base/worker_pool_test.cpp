// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/worker_pool.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <doctest/doctest.h>
#include <thread>
#include <vector>

using namespace blkcrypto;

namespace {

struct counting_task final : task {
    void run(unsigned worker) noexcept override {
        worker_seen = worker;
        runs.fetch_add(1);
        if (total != nullptr)
            total->fetch_add(1);
    }
    std::atomic<int> runs{0};
    std::atomic<int>* total = nullptr;
    unsigned worker_seen = 0;
};

// Uses 20 ms of CPU time, however long that takes.
struct busy_task final : task {
    void run(unsigned) noexcept override {
        const std::uint64_t end = used_ns() + 20'000'000;
        while (used_ns() < end) {
        }
        done.store(true);
        done.notify_all();
    }
    static std::uint64_t used_ns() noexcept {
        timespec used;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 +
               static_cast<std::uint64_t>(used.tv_nsec);
    }
    std::atomic<bool> done{false};
};

// Keeps a worker until another one has come as well.
struct meeting_task final : task {
    explicit meeting_task(std::atomic<int>& arrived) : arrived_(arrived) {}
    void run(unsigned worker) noexcept override {
        worker_seen = worker;
        arrived_.fetch_add(1);
        while (arrived_.load() < 2)
            std::this_thread::yield();
    }
    std::atomic<int>& arrived_;
    unsigned worker_seen = 99;
};

} // namespace

TEST_CASE("a pool without threads is refused") {
    CHECK(worker_pool::make(0, "none").error() == std::errc::invalid_argument);
}

TEST_CASE("a pool runs each task once and on one of its threads") {
    std::atomic<int> total{0};
    std::vector<counting_task> tasks(5'000);
    {
        const auto pool = *worker_pool::make(3, "workers");
        CHECK(pool->threads() == 3);
        for (auto& t : tasks) {
            t.total = &total;
            pool->post(t);
        }
        while (total.load() < static_cast<int>(tasks.size()))
            std::this_thread::yield();
    }
    for (const auto& t : tasks) {
        CHECK(t.runs.load() == 1);
        CHECK(t.worker_seen < 3);
    }
}

TEST_CASE("a pool runs what is posted before it ends") {
    busy_task first;
    std::vector<counting_task> tasks(200);
    {
        const auto pool = *worker_pool::make(1, "workers");
        pool->post(first);
        for (auto& t : tasks)
            pool->post(t);
    }
    CHECK(first.done.load());
    for (const auto& t : tasks)
        CHECK(t.runs.load() == 1);
}

TEST_CASE("two workers run at the same time under different numbers") {
    std::atomic<int> arrived{0};
    meeting_task one(arrived), two(arrived);
    {
        const auto pool = *worker_pool::make(2, "workers");
        pool->post(one);
        pool->post(two);
    }
    CHECK(one.worker_seen + two.worker_seen == 1);
}

TEST_CASE("one worker runs tasks in the order they were posted") {
    struct noting_task final : task {
        void run(unsigned) noexcept override { order->push_back(number); }
        std::vector<int>* order = nullptr;
        int number = 0;
    };
    std::vector<int> order;
    std::vector<noting_task> tasks(100);
    {
        const auto pool = *worker_pool::make(1, "workers");
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            tasks[i].order = &order;
            tasks[i].number = static_cast<int>(i);
            pool->post(tasks[i]);
        }
    }
    CHECK(order.size() == 100);
    CHECK(std::ranges::is_sorted(order));
}

TEST_CASE("the CPU time of a pool grows while it works and not while it sleeps") {
    const auto pool = *worker_pool::make(2, "workers");
    const std::uint64_t before = pool->cpu_time_ns();
    busy_task work;
    pool->post(work);
    work.done.wait(false);
    const std::uint64_t after = pool->cpu_time_ns();
    CHECK(after - before >= 20'000'000);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK(pool->cpu_time_ns() - after < 10'000'000);
}

TEST_CASE("tasks posted together wake as many threads as have work") {
    auto pool = *worker_pool::make(2, "together");
    std::atomic<int> arrived{0};
    meeting_task first(arrived), second(arrived);
    task_list both;
    both.push(first);
    both.push(second);
    pool->post_all(both);
    CHECK(both.empty());
    pool.reset(); // ends only if the two met, on two threads
    CHECK(first.worker_seen != second.worker_seen);
}

TEST_CASE("a list appended to another keeps the order of both and leaves the other empty") {
    counting_task tasks[4];
    task_list first, second;
    first.push(tasks[0]);
    first.push(tasks[1]);
    second.push(tasks[2]);
    second.push(tasks[3]);
    first.append(second);
    CHECK(second.empty());
    first.append(second);
    for (auto& expected : tasks)
        CHECK(first.pop() == &expected);
    CHECK(first.empty());
    second.append(first);
    second.push(tasks[1]);
    CHECK(second.pop() == &tasks[1]);
}
