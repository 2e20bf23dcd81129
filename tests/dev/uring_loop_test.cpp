// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/uring_loop.hpp"

#include "blkcrypto/base/thread_env.hpp"
#include "tests/dev/restricted_child.hpp"
#include "tests/dev/temporary_image.hpp"
#include "tests/support/counting_task.hpp"
#include "tests/support/guarded_buffer.hpp"

#include <array>
#include <cerrno>
#include <deque>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

struct nop final : uring_op {
    void prepare(io_uring_sqe& sqe) noexcept override { io_uring_prep_nop(&sqe); }
    void complete(int res) noexcept override {
        last_res = res;
        ++completed;
        if (completed < wanted)
            loop->submit(*this);
    }
    uring_loop* loop = nullptr;
    int wanted = 1;
    int completed = 0;
    int last_res = -1;
};

/// A read that has to wait for the disk.
struct direct_read final : uring_op {
    void prepare(io_uring_sqe& sqe) noexcept override {
        io_uring_prep_read(&sqe, 0, memory.bytes().data(), 512, 512);
        loop->set_file(sqe, 0);
    }
    void complete(int res) noexcept override {
        last_res = res;
        ++completed;
    }
    uring_loop* loop = nullptr;
    guarded_buffer memory{4096, guard_side::start};
    int completed = 0;
    int last_res = -1;
};

/// A ring on this thread.
struct opened {
    explicit opened(unsigned entries) : env(*thread_env::make()), loop(*uring_loop::make(*env, entries)) {}
    std::unique_ptr<thread_env> env;
    std::unique_ptr<uring_loop> loop;
};

} // namespace

TEST_CASE("more ops than the ring holds all complete") {
    if (!have_uring())
        return;
    opened on(4);
    std::deque<nop> ops(1000);
    for (nop& op : ops)
        on.loop->submit(op);
    unsigned ended = 0;
    while (ended < ops.size())
        ended += on.loop->reap();
    for (const nop& op : ops)
        CHECK((op.completed == 1 && op.last_res == 0));
    CHECK(on.loop->reap() == 0);
}

TEST_CASE("an op may go again from its completion") {
    if (!have_uring())
        return;
    opened on(2);
    std::array<nop, 3> ops;
    for (nop& op : ops) {
        op.loop = on.loop.get();
        op.wanted = 500;
        on.loop->submit(op);
    }
    unsigned ended = 0;
    while (ended < 1500)
        ended += on.loop->reap();
    CHECK(ended == 1500);
}

TEST_CASE("a sleep pushes out what is gathered and ends with its completion") {
    if (!have_uring())
        return;
    opened on(4);
    nop op;
    on.loop->submit(op);
    on.env->sleep();
    CHECK(on.loop->reap() == 1);
}

TEST_CASE("two rings of one env are both slept for") {
    if (!have_uring())
        return;
    opened on(4);
    const auto second = *uring_loop::make(*on.env, 4);
    nop op, other;
    on.loop->submit(op);
    second->submit(other);
    while (op.completed + other.completed < 2) {
        on.env->sleep();
        on.loop->reap();
        second->reap();
    }
    CHECK(op.completed == 1);
}

// A ring that defers its completions does not make its own descriptor readable for each of these.
TEST_CASE("a ring beside another is woken for by reads that the disk takes its time for") {
    if (!have_uring())
        return;
    const temporary_image image(1 << 20);
    image.overwrite(0, std::vector<std::byte>(1 << 20, std::byte{1}));
    const int fd = open(image.path().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0) {
        MESSAGE("skipped, no direct I/O here");
        return;
    }
    opened on(8);
    const auto other = *uring_loop::make(*on.env, 8);
    on.loop->use_files(std::array{fd});
    direct_read op;
    op.loop = on.loop.get();
    for (int reads = 1; reads <= 500; ++reads) {
        on.loop->submit(op);
        while (op.completed < reads) {
            on.env->sleep();
            on.loop->reap();
            other->reap();
        }
    }
    CHECK((op.last_res == 512 || op.last_res == -EINVAL)); // a disk with larger blocks refuses
    close(fd);
}

TEST_CASE("tasks that another thread posts wake a thread that sleeps in its ring") {
    if (!have_uring())
        return;
    opened on(4);
    constexpr int rounds = 2000;
    std::array<counting_task, 2> tasks;
    std::atomic<int> acknowledged{0};
    std::thread poster([&] {
        for (int i = 0; i < rounds; ++i) {
            while (acknowledged.load() != i)
                std::this_thread::yield();
            if (i % 100 == 0)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            on.env->post(tasks[static_cast<std::size_t>(i % 2)]);
        }
    });
    while (tasks[0].runs + tasks[1].runs < rounds) {
        on.env->sleep();
        if (on.env->run_ready() != 0)
            ++acknowledged;
    }
    poster.join();
    CHECK(tasks[0].runs == rounds / 2);
}

TEST_CASE("a wake that was slept for does not end the next sleep") {
    if (!have_uring())
        return;
    opened on(4);
    counting_task posted;
    std::thread poster([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        on.env->post(posted);
    });
    while (posted.runs == 0) {
        on.env->sleep();
        on.env->run_ready();
    }
    poster.join();
    counting_timer alarm;
    on.env->arm(alarm, on.env->now_ns() + 20'000'000);
    unsigned sleeps = 0;
    while (alarm.runs == 0) {
        on.env->sleep();
        on.env->run_ready();
        ++sleeps;
    }
    CHECK(sleeps <= 4);
}

TEST_CASE("buffers beyond the table are left unregistered") {
    if (!have_uring())
        return;
    opened on(4);
    guarded_buffer memory(4096, guard_side::start);
    buffer_id last = 0;
    for (int i = 0; i < 65; ++i)
        last = on.loop->register_buffer(memory.bytes());
    CHECK(last == unregistered_buffer);
    CHECK(on.loop->register_buffer({}) == unregistered_buffer);
}

TEST_CASE("busy polling makes no system call") {
    if (!have_uring())
        return;
    CHECK(holds_in_child([] {
        opened on(4);
        nop op;
        on.loop->submit(op);
        while (op.completed == 0)
            on.loop->reap();
        restrict_syscall(SYS_io_uring_enter, SECCOMP_RET_KILL_PROCESS);
        unsigned ended = 0;
        for (int i = 0; i < 1000; ++i)
            ended += on.loop->reap();
        return ended == 0;
    }));
}

TEST_CASE("where io_uring is forbidden or missing, making a ring says so") {
    CHECK(holds_in_child([] {
        restrict_syscall(SYS_io_uring_setup, SECCOMP_RET_ERRNO | EPERM);
        const auto env = *thread_env::make();
        return uring_loop::make(*env, 4).error() == make_error(EPERM);
    }));
    CHECK(holds_in_child([] {
        restrict_syscall(SYS_io_uring_setup, SECCOMP_RET_ERRNO | ENOSYS);
        const auto env = *thread_env::make();
        return uring_loop::make(*env, 4).error() == make_error(ENOSYS);
    }));
}

TEST_CASE("a ring without registered buffers or files still works") {
    if (!have_uring())
        return;
    CHECK(holds_in_child([] {
        restrict_syscall(SYS_io_uring_register, SECCOMP_RET_ERRNO | ENOMEM);
        opened on(4);
        guarded_buffer memory(4096, guard_side::start);
        nop op;
        on.loop->submit(op);
        while (op.completed == 0)
            on.loop->reap();
        return on.loop->register_buffer(memory.bytes()) == unregistered_buffer;
    }));
}
