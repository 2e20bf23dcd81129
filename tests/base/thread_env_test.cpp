// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/thread_env.hpp"
#include "tests/support/allocation_counter.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <memory>
#include <poll.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace blkcrypto;

namespace {

constexpr std::uint64_t ms = 1'000'000;

struct noting_task final : task {
    noting_task(std::vector<int>& order, int number) : order_(order), number_(number) {}
    void run(unsigned) noexcept override { order_.push_back(number_); }
    std::vector<int>& order_;
    int number_;
};

struct noting_timer final : timer {
    noting_timer(std::vector<int>& order, int number) : order_(order), number_(number) {}
    void run(unsigned) noexcept override { order_.push_back(number_); }
    std::vector<int>& order_;
    int number_;
};

struct counting_task final : task {
    void run(unsigned) noexcept override { ++runs; }
    int runs = 0;
};

struct pipe_source final : event_source {
    pipe_source() : pipe_source(make_pipe()) {}
    ~pipe_source() {
        close(fd());
        close(write_end);
    }
    void on_ready() noexcept override {
        std::array<char, 16> bytes;
        (void)!read(fd(), bytes.data(), bytes.size());
        ++readies;
    }
    void write_byte() const { CHECK(write(write_end, "x", 1) == 1); }

    const int write_end;
    int readies = 0;

  private:
    explicit pipe_source(std::array<int, 2> fds) : event_source(fds[0]), write_end(fds[1]) {}
    static std::array<int, 2> make_pipe() {
        std::array<int, 2> fds{};
        REQUIRE(pipe(fds.data()) == 0);
        return fds;
    }
};

/// Notes what it is asked, and looks at the wake descriptor without waiting for it.
struct noting_sleeper final : thread_sleeper {
    void sleep(int wake_fd, std::span<event_source* const> watched, std::int64_t timeout) noexcept override {
        ++sleeps;
        sources.assign(watched.begin(), watched.end());
        timeout_ns = timeout;
        if (posted_late != nullptr)
            env->post(*std::exchange(posted_late, nullptr));
        pollfd wake{wake_fd, POLLIN, 0};
        was_woken = poll(&wake, 1, 0) == 1;
    }

    thread_env* env = nullptr;
    task* posted_late = nullptr; // by the next sleep
    int sleeps = 0;
    std::vector<event_source*> sources;
    std::int64_t timeout_ns = 0;
    bool was_woken = false;
};

std::uint64_t cpu_time_of_thread_ns() {
    timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000 * ms + static_cast<std::uint64_t>(used.tv_nsec);
}

// Sleeps and runs what is ready until `done`; how often it slept.
template <typename Done>
int sleeps_until(env& e, Done done) {
    int sleeps = 0;
    e.run_ready();
    while (!done()) {
        e.sleep();
        ++sleeps;
        e.run_ready();
    }
    return sleeps;
}

} // namespace

TEST_CASE("tasks run in the order they were posted") {
    const auto env = *thread_env::make();
    std::vector<int> order;
    noting_task one(order, 1), two(order, 2), three(order, 3);
    env->post(one);
    env->post(two);
    env->post(three);
    CHECK(order.empty());
    CHECK(env->run_ready() == 3);
    CHECK(order == std::vector<int>{1, 2, 3});
    CHECK(env->run_ready() == 0);
}

TEST_CASE("a task posted by a task waits for the next run") {
    const auto env = *thread_env::make();
    struct reposting final : task {
        explicit reposting(thread_env& e) : env_(e) {}
        void run(unsigned) noexcept override {
            if (++runs < 3)
                env_.post(*this);
        }
        thread_env& env_;
        int runs = 0;
    } again(*env);
    env->post(again);
    CHECK(env->run_ready() == 1);
    CHECK(again.runs == 1);
    CHECK(env->run_ready() == 1);
    CHECK(env->run_ready() == 1);
    CHECK(env->run_ready() == 0);
    CHECK(again.runs == 3);
}

TEST_CASE("sleep returns at once with something posted") {
    const auto env = *thread_env::make();
    counting_task posted;
    env->post(posted);
    env->sleep();
    CHECK(env->run_ready() == 1);
}

TEST_CASE("a post from another thread wakes the sleeper") {
    const auto env = *thread_env::make();
    counting_task posted;
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        env->post(posted);
    });
    CHECK(sleeps_until(*env, [&] { return posted.runs == 1; }) == 1);
    other.join();
}

TEST_CASE("each of many posts from four threads runs exactly once") {
    const auto env = *thread_env::make();
    constexpr std::size_t per_thread = 20'000;
    std::vector<counting_task> tasks(4 * per_thread);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (std::size_t i = 0; i < per_thread; ++i)
                env->post(tasks[t * per_thread + i]);
        });
    std::size_t run = 0;
    while (run < tasks.size()) {
        env->sleep();
        run += env->run_ready();
    }
    for (auto& thread : threads)
        thread.join();
    CHECK(run == tasks.size());
    CHECK(env->run_ready() == 0);
    std::size_t once = 0;
    for (const auto& t : tasks)
        once += t.runs == 1 ? 1U : 0U;
    CHECK(once == tasks.size());
}

TEST_CASE("posts of one thread keep their order on the way to another") {
    const auto env = *thread_env::make();
    std::vector<int> order;
    std::vector<std::unique_ptr<noting_task>> tasks;
    for (int i = 0; i < 5000; ++i)
        tasks.push_back(std::make_unique<noting_task>(order, i));
    std::thread other([&] {
        for (auto& t : tasks)
            env->post(*t);
    });
    sleeps_until(*env, [&] { return order.size() == tasks.size(); });
    other.join();
    CHECK(std::ranges::is_sorted(order));
}

TEST_CASE("timers run in the order of their deadlines and not before") {
    const auto env = *thread_env::make();
    std::vector<int> order;
    noting_timer late(order, 3), early(order, 1), middle(order, 2);
    const std::uint64_t start = env->now_ns();
    env->arm(late, start + 30 * ms);
    env->arm(early, start + 10 * ms);
    env->arm(middle, start + 20 * ms);
    CHECK(env->run_ready() == 0);
    sleeps_until(*env, [&] { return order.size() == 1; });
    CHECK(env->now_ns() >= start + 10 * ms);
    sleeps_until(*env, [&] { return order.size() == 3; });
    CHECK(env->now_ns() >= start + 30 * ms);
    CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("timers of the same deadline run in the order they were armed") {
    const auto env = *thread_env::make();
    std::vector<int> order;
    noting_timer one(order, 1), two(order, 2), three(order, 3);
    const std::uint64_t past = env->now_ns() - 1;
    env->arm(one, past);
    env->arm(two, past);
    env->arm(three, past);
    CHECK(env->run_ready() == 3);
    CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("a cancelled timer does not run") {
    const auto env = *thread_env::make();
    std::vector<int> order;
    noting_timer first(order, 1), cancelled(order, 2), last(order, 3), never_armed(order, 4);
    const std::uint64_t past = env->now_ns() - 1;
    env->arm(first, past);
    env->arm(cancelled, past);
    env->arm(last, past);
    env->cancel(cancelled);
    env->cancel(never_armed);
    CHECK(env->run_ready() == 2);
    CHECK(order == std::vector<int>{1, 3});
    env->arm(cancelled, past);
    CHECK(env->run_ready() == 1);
}

TEST_CASE("a readable event source wakes the sleeper") {
    const auto env = *thread_env::make();
    pipe_source source;
    REQUIRE_FALSE(env->watch(source));
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        source.write_byte();
    });
    CHECK(sleeps_until(*env, [&] { return source.readies == 1; }) == 1);
    other.join();
    env->unwatch(source);
    source.write_byte();
    counting_task posted;
    env->post(posted);
    env->sleep();
    CHECK(source.readies == 1);
}

TEST_CASE("of several event sources the ready ones are told") {
    const auto env = *thread_env::make();
    std::array<pipe_source, 3> sources;
    for (auto& source : sources)
        REQUIRE_FALSE(env->watch(source));
    sources[0].write_byte();
    sources[2].write_byte();
    env->sleep();
    CHECK(sources[0].readies == 1);
    CHECK(sources[1].readies == 0);
    CHECK(sources[2].readies == 1);
    for (auto& source : sources)
        env->unwatch(source);
}

TEST_CASE("an event source may be left while it is told") {
    const auto env = *thread_env::make();
    struct leaving final : event_source {
        leaving(thread_env& e, int fd) : event_source(fd), env_(e) {}
        void on_ready() noexcept override {
            ++readies;
            env_.unwatch(*this);
        }
        thread_env& env_;
        int readies = 0;
    };
    pipe_source first_pipe, second_pipe;
    leaving first(*env, first_pipe.fd()), second(*env, second_pipe.fd());
    REQUIRE_FALSE(env->watch(first));
    REQUIRE_FALSE(env->watch(second));
    first_pipe.write_byte();
    second_pipe.write_byte();
    env->sleep();
    CHECK(first.readies == 1);
    CHECK(second.readies == 1);
}

TEST_CASE("an env takes a limited number of event sources") {
    const auto env = *thread_env::make();
    pipe_source source;
    std::error_code refused;
    int watched = 0;
    while (!refused && watched < 1000) {
        refused = env->watch(source);
        watched += refused ? 0 : 1;
    }
    CHECK(refused == std::errc::no_space_on_device);
    CHECK(watched == 64);
}

TEST_CASE("a sleeper whose posts race with its sleep goes on sleeping afterwards") {
    const auto env = *thread_env::make();
    constexpr int rounds = 5'000;
    std::vector<counting_task> tasks(rounds);
    std::thread other([&] {
        for (auto& t : tasks)
            env->post(t);
    });
    std::size_t run = 0;
    while (run < tasks.size()) {
        env->sleep();
        run += env->run_ready();
    }
    other.join();
    // What is still owed to the wake descriptor may end a few sleeps early, no more.
    std::vector<int> order;
    noting_timer soon(order, 1);
    env->arm(soon, env->now_ns() + 50 * ms);
    const std::uint64_t used_before = cpu_time_of_thread_ns();
    CHECK(sleeps_until(*env, [&] { return !order.empty(); }) <= 3);
    CHECK(cpu_time_of_thread_ns() - used_before < 25 * ms);
}

TEST_CASE("a sleeper in the env's place is told what to wake for") {
    noting_sleeper sleeper;
    const auto env = *thread_env::make(nullptr, &sleeper);
    std::vector<int> order;
    pipe_source source;
    noting_timer soon(order, 1);
    env->sleep();
    CHECK(sleeper.sources.empty());
    CHECK(sleeper.timeout_ns < 0);
    REQUIRE_FALSE(env->watch(source));
    env->arm(soon, env->now_ns() + 1'000 * ms);
    env->sleep();
    CHECK(sleeper.sources == std::vector<event_source*>{&source});
    CHECK(sleeper.timeout_ns > 0);
    CHECK(sleeper.timeout_ns <= 1'000'000'000);
    env->cancel(soon);
    env->arm(soon, env->now_ns() - 1);
    env->sleep();
    CHECK(sleeper.timeout_ns == 0);
    env->unwatch(source);
    env->sleep();
    CHECK(sleeper.sources.empty());
    CHECK(sleeper.sleeps == 4);
}

TEST_CASE("a sleeper in the env's place is not asked while something is posted or due") {
    noting_sleeper sleeper;
    const auto env = *thread_env::make(nullptr, &sleeper);
    counting_task posted;
    env->post(posted);
    env->sleep();
    CHECK(env->run_ready() == 1);
    env->add_due(1);
    env->sleep();
    env->remove_due(1);
    CHECK(sleeper.sleeps == 0);
}

TEST_CASE("a post that comes when the sleep has begun wakes the sleeper in the env's place, and only then") {
    noting_sleeper sleeper;
    const auto env = *thread_env::make(nullptr, &sleeper);
    sleeper.env = env.get();
    counting_task late;
    for (int i = 1; i <= 10; ++i) {
        sleeper.posted_late = &late;
        env->sleep();
        CHECK(sleeper.was_woken);
        CHECK(env->run_ready() == 1);
        env->sleep();
        CHECK_FALSE(sleeper.was_woken);
    }
    CHECK(late.runs == 10);
}

TEST_CASE("posting and running allocates nothing") {
    if (!test::allocation_counter::available())
        return;
    const auto env = *thread_env::make();
    counting_task posted;
    const test::allocation_counter allocations;
    for (int round = 0; round < 100; ++round) {
        env->post(posted);
        env->sleep();
        env->run_ready();
    }
    const auto made = allocations.count();
    CHECK(made == 0);
}

TEST_CASE("random bytes differ from call to call") {
    const auto env = *thread_env::make();
    std::array<std::byte, 32> first{}, second{};
    env->fill_random(first);
    env->fill_random(second);
    CHECK(first != second);
    CHECK(first != std::array<std::byte, 32>{});
    env->fill_random({});
}

TEST_CASE("the clock of a thread goes forward and is real") {
    const auto env = *thread_env::make();
    CHECK_FALSE(env->has_virtual_clock());
    const std::uint64_t before = env->now_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    CHECK(env->now_ns() >= before + 2 * ms);
}
