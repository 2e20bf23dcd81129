// SPDX-License-Identifier: Apache-2.0
// A thread_env that sleeps in Asio: what holds of one that sleeps by itself holds of it.
#include "blkcrypto/nbd/asio_sleeper.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/counting_task.hpp"

#include <boost/asio/post.hpp>
#include <doctest/doctest.h>
#include <thread>
#include <unistd.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t ms = 1'000'000;

struct sleeping_thread {
    boost::asio::io_context context{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{context.get_executor()};
    nbd::asio_sleeper sleeper{context};
    std::unique_ptr<thread_env> env = *thread_env::make(nullptr, &sleeper);

    /// How often it has slept until `done`.
    template <typename Done>
    int sleeps_until(Done done) {
        int sleeps = 0;
        env->run_ready();
        for (; !done(); ++sleeps) {
            env->sleep();
            env->run_ready();
        }
        return sleeps;
    }
};

/// What is to be done between two threads, one after the other.
struct pipe_pair {
    pipe_pair() { REQUIRE(pipe(ends.data()) == 0); }
    ~pipe_pair() {
        close(ends[0]);
        close(ends[1]);
    }
    void write_byte() const { CHECK(write(ends[1], "x", 1) == 1); }
    void read_byte() const {
        char byte = 0;
        CHECK(read(ends[0], &byte, 1) == 1);
    }
    std::array<int, 2> ends{};
};

struct noting_source final : event_source {
    explicit noting_source(const pipe_pair& p) : event_source(p.ends[0]), of(p) {}
    void before_sleep() noexcept override { ++sleeps; }
    void on_ready() noexcept override {
        of.read_byte();
        ++readies;
        if (leaves != nullptr)
            leaves->unwatch(*this);
    }
    const pipe_pair& of;
    env* leaves = nullptr;
    int sleeps = 0;
    int readies = 0;
};

} // namespace

TEST_CASE("no post to a thread that sleeps in Asio is lost") {
    sleeping_thread thread;
    constexpr std::size_t per_thread = 5'000;
    std::vector<counting_task> tasks(3 * per_thread);
    std::vector<std::thread> posters;
    for (std::size_t t = 0; t < 3; ++t)
        posters.emplace_back([&, t] {
            for (std::size_t i = 0; i < per_thread; ++i)
                thread.env->post(tasks[t * per_thread + i]);
        });
    std::size_t run = 0;
    while (run < tasks.size()) {
        thread.env->sleep();
        run += thread.env->run_ready();
    }
    for (auto& poster : posters)
        poster.join();
    CHECK(run == tasks.size());
}

TEST_CASE("each post in turn wakes a thread that sleeps in Asio") {
    sleeping_thread thread;
    counting_task ping;
    pipe_pair next;
    constexpr int rounds = 3'000;
    std::thread poster([&] {
        for (int i = 0; i < rounds; ++i) {
            next.read_byte();
            thread.env->post(ping);
        }
    });
    for (int i = 1; i <= rounds; ++i) {
        next.write_byte();
        thread.sleeps_until([&] { return ping.runs == i; });
    }
    poster.join();
    CHECK(ping.runs == rounds);
}

TEST_CASE("a timer ends a sleep in Asio, which does not end before") {
    sleeping_thread thread;
    counting_timer soon;
    const std::uint64_t start = thread.env->now_ns();
    thread.env->arm(soon, start + 20 * ms);
    CHECK(thread.sleeps_until([&] { return soon.runs == 1; }) <= 3);
    CHECK(thread.env->now_ns() >= start + 20 * ms);
}

TEST_CASE("a sleep in Asio that something has ended before its timer is followed by one that lasts") {
    sleeping_thread thread;
    counting_timer soon;
    counting_task posted;
    thread.env->arm(soon, thread.env->now_ns() + 100 * ms);
    boost::asio::post(thread.context, [&] { thread.env->post(posted); });
    CHECK(thread.sleeps_until([&] { return soon.runs == 1; }) <= 6);
    CHECK(posted.runs == 1);
}

TEST_CASE("handlers of the context run while the thread sleeps") {
    sleeping_thread thread;
    int runs = 0;
    std::thread other([&] { boost::asio::post(thread.context, [&] { ++runs; }); });
    thread.sleeps_until([&] { return runs == 1; });
    other.join();
}

TEST_CASE("sources are told before each sleep in Asio, and those that are ready after it") {
    sleeping_thread thread;
    pipe_pair first_pipe, second_pipe;
    noting_source first(first_pipe), second(second_pipe);
    REQUIRE_FALSE(thread.env->watch(first));
    REQUIRE_FALSE(thread.env->watch(second));
    for (int i = 1; i <= 100; ++i) {
        (i % 2 == 0 ? first_pipe : second_pipe).write_byte();
        const int sleeps = thread.sleeps_until([&] { return first.readies + second.readies == i; });
        CHECK(sleeps >= 1);
    }
    CHECK(first.readies == 50);
    CHECK(second.readies == 50);
    CHECK(first.sleeps >= 100);
    CHECK(first.sleeps == second.sleeps);
}

TEST_CASE("sources may be left while they are told, all of them after one sleep in Asio") {
    sleeping_thread thread;
    std::array<pipe_pair, 3> pipes;
    std::vector<std::unique_ptr<noting_source>> sources;
    for (const auto& each : pipes) {
        sources.push_back(std::make_unique<noting_source>(each));
        sources.back()->leaves = thread.env.get();
        REQUIRE_FALSE(thread.env->watch(*sources.back()));
    }
    boost::asio::post(thread.context, [] {});
    thread.env->sleep();
    for (const auto& each : pipes)
        each.write_byte();
    thread.context.poll(); // as a thread does that has no time to sleep
    thread.env->sleep();
    for (const auto& each : sources)
        CHECK(each->readies == 1);
}

TEST_CASE("posting to a thread that sleeps in Asio allocates nothing") {
    if (!allocation_counter::available())
        return;
    sleeping_thread thread;
    counting_task posted;
    pipe_pair of;
    noting_source source(of);
    REQUIRE_FALSE(thread.env->watch(source));
    const auto round = [&] {
        of.write_byte();
        thread.env->sleep();
        thread.env->post(posted);
        thread.env->sleep();
        thread.env->run_ready();
    };
    round();
    const allocation_counter allocations;
    for (int i = 0; i < 100; ++i)
        round();
    const auto made = allocations.count();
    CHECK(made == 0);
}
