// SPDX-License-Identifier: Apache-2.0
#pragma once
// One io_uring for one thread: gathers operations, pushes them out with one system call, hands back their
// results, and lets the thread sleep in it. Devices and servers bring operations as objects of their own; the
// loop knows nothing of what they do, and allocates nothing once it is made.
//
// It is an event source of its env from make() to its end. All of it belongs to the env's thread, and no
// operation is out when it is destroyed.

#include "blkcrypto/base/env.hpp"
#include "blkcrypto/base/result.hpp"
#include "blkcrypto/block/bio.hpp"

#include <liburing.h>
#include <memory>
#include <span>

namespace blkcrypto {

/// One operation of the kernel. Belongs to whoever submits it and stays where it is until complete().
class uring_op {
  public:
    /// Fills in what the kernel shall do, all but the user data. Once for each submit(), in it or later.
    virtual void prepare(io_uring_sqe& sqe) noexcept = 0;
    /// From reap(): a number of bytes, or a negative errno. May submit the op again.
    virtual void complete(int res) noexcept = 0;

  protected:
    uring_op() = default;
    ~uring_op() = default;
    uring_op(const uring_op&) = delete;
    uring_op& operator=(const uring_op&) = delete;

  private:
    friend class uring_op_list;
    uring_op* next_op_ = nullptr;
};

/// First in, first out; an op is in one list at most.
class uring_op_list {
  public:
    uring_op* front() const noexcept { return head_; }
    void push(uring_op& op) noexcept {
        op.next_op_ = nullptr;
        (head_ == nullptr ? head_ : tail_->next_op_) = &op;
        tail_ = &op;
    }
    void pop() noexcept { head_ = head_->next_op_; }

  private:
    uring_op* head_ = nullptr;
    uring_op* tail_ = nullptr;
};

class uring_loop final : public event_source {
  public:
    /// What making a ring says here and now: ENOSYS or EPERM where there is no io_uring, or nothing.
    static std::error_code availability() noexcept;

    /// A ring for about `entries` ops at a time; more than its completion queue holds wait here. ENOSYS or
    /// EPERM where there is no io_uring; ENOMEM; ENOSPC from the env.
    static result<std::unique_ptr<uring_loop>> make(env& environment, unsigned entries);
    ~uring_loop();

    /// Gathers the op; never blocks. A system call only when the submission queue is full.
    void submit(uring_op& op) noexcept;

    /// Gives the kernel what is gathered. No system call if that is nothing.
    void push_out() noexcept;

    /// Pushes out, collects a few results, then tells their ops: so few that what these submit can be pushed
    /// out before the disk has nothing left to do. The number of ops that ended.
    /// No system call if nothing is gathered and the kernel has no work left over for this thread.
    unsigned reap() noexcept;

    void before_sleep() noexcept override;
    void on_ready() noexcept override;
    bool sleep_here(int wake_fd, std::int64_t timeout_ns) noexcept override;

    /// The id to use in READ_FIXED and WRITE_FIXED; unregistered_buffer if the kernel takes no more of them,
    /// or no more locked memory. The memory stays valid until the loop ends.
    buffer_id register_buffer(bytes_span memory) noexcept;

    /// The files that set_file() means, by index: registered if the kernel does it, else by descriptor. Once.
    void use_files(std::span<const int> descriptors) noexcept;
    void set_file(io_uring_sqe& sqe, unsigned index) const noexcept;

  private:
    static constexpr unsigned buffers_max = 64;
    static constexpr unsigned files_max = 4;
    static constexpr unsigned batch = 8;

    explicit uring_loop(env& environment) noexcept : event_source(-1), env_(environment) {}
    std::error_code set_up(unsigned entries) noexcept;
    io_uring_sqe* get_sqe() noexcept;
    bool try_start(uring_op& op) noexcept;
    void start_parked() noexcept;
    unsigned reap_batch() noexcept;
    void note_wake(const io_uring_cqe& cqe) noexcept;
    void drop_wakes() noexcept;
    bool arm_wake(int wake_fd) noexcept;
    void be_polled_through_eventfd() noexcept;
    bool has_completions() const noexcept;

    env& env_;
    io_uring ring_{};
    uring_op_list parked_;         // submitted, but the ring had no room for them
    unsigned outstanding_ = 0;     // ops that will have a completion
    unsigned outstanding_max_ = 0; // what the completion queue holds without overflowing
    unsigned buffers_ = 0;         // registered so far
    bool has_buffer_table_ = false;
    bool has_file_table_ = false;
    std::array<int, files_max> files_{};
    bool wake_armed_ = false;   // the multishot poll of the env's wake_fd is in the kernel, or gathered
    bool can_poll_wake_ = true; // not refused by the kernel (before 5.13)
    int eventfd_ = -1; // what the env polls in the ring's place, once it has slept with other sources
};

} // namespace blkcrypto
