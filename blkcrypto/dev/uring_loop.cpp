// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/uring_loop.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace blkcrypto {
namespace {

// Best first: completions run only when this thread asks for them (6.1), or at its next system call (5.19),
// or whenever the kernel likes.
constexpr std::array<unsigned, 3> setup_flags{
    IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_CLAMP,
};

// Room in the completion queue that ops leave to the wake poll.
constexpr unsigned wake_completions = 2;

constexpr std::int64_t ns_per_s = 1'000'000'000;

int init_ring(io_uring& ring, unsigned entries) {
    int error = 0;
    for (const unsigned flags : setup_flags) {
        io_uring_params params{};
        params.flags = flags;
        error = io_uring_queue_init_params(entries, &ring, &params);
        if (error != -EINVAL)
            break;
    }
    return error;
}

} // namespace

std::error_code uring_loop::availability() noexcept {
    io_uring ring{};
    const int error = init_ring(ring, 1);
    if (error < 0)
        return make_error(-error);
    io_uring_queue_exit(&ring);
    return {};
}

result<std::unique_ptr<uring_loop>> uring_loop::make(env& environment, unsigned entries) {
    return or_no_memory([&]() -> result<std::unique_ptr<uring_loop>> {
        std::unique_ptr<uring_loop> loop(new uring_loop(environment));
        if (const std::error_code error = loop->set_up(entries))
            return error;
        return loop;
    });
}

std::error_code uring_loop::set_up(unsigned entries) noexcept {
    eventfd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (eventfd_ < 0)
        return make_error(errno);
    const int error = init_ring(ring_, entries + wake_completions);
    if (error < 0)
        return make_error(-error);
    set_fd(ring_.ring_fd);
    outstanding_max_ = *ring_.cq.kring_entries - wake_completions;
    // Both only save time: without them calls name the ring and the buffers the slow way.
    io_uring_register_ring_fd(&ring_);
    has_buffer_table_ = io_uring_register_buffers_sparse(&ring_, buffers_max) == 0;
    return env_.watch(*this);
}

uring_loop::~uring_loop() {
    if (fd() < 0)
        return;
    assert(outstanding_ == 0 && parked_.front() == nullptr);
    env_.unwatch(*this);
    // The kernel gives up a closed ring's memory some time later; locked memory is scarce, the next ring
    // wants it.
    if (has_buffer_table_)
        io_uring_unregister_buffers(&ring_);
    io_uring_queue_exit(&ring_);
    if (eventfd_ >= 0)
        close(eventfd_);
}

void uring_loop::submit(uring_op& op) noexcept {
    if (parked_.front() != nullptr || !try_start(op)) [[unlikely]]
        parked_.push(op);
}

bool uring_loop::try_start(uring_op& op) noexcept {
    if (outstanding_ >= outstanding_max_)
        return false;
    io_uring_sqe* const sqe = get_sqe();
    if (sqe == nullptr)
        return false;
    ++outstanding_;
    op.prepare(*sqe);
    io_uring_sqe_set_data(sqe, &op);
    return true;
}

// Null only if the kernel takes nothing just now (EAGAIN, EBUSY).
io_uring_sqe* uring_loop::get_sqe() noexcept {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
    if (sqe != nullptr) [[likely]]
        return sqe;
    io_uring_submit(&ring_);
    return io_uring_get_sqe(&ring_);
}

void uring_loop::start_parked() noexcept {
    while (uring_op* op = parked_.front()) {
        if (!try_start(*op))
            return;
        parked_.pop();
    }
}

// What cannot be submitted now (EAGAIN, EBUSY, EINTR) stays in the ring and goes out with the next call.
// Asking for events in the same call saves the one that would fetch what ended meanwhile.
void uring_loop::push_out() noexcept {
    start_parked();
    if (io_uring_sq_ready(&ring_) != 0)
        io_uring_submit_and_get_events(&ring_);
}

unsigned uring_loop::reap() noexcept {
    push_out();
    const unsigned count = reap_batch();
    start_parked();
    return count;
}

// Results are taken out of the ring before any op hears of them: an op may submit, and that may need the
// room.
unsigned uring_loop::reap_batch() noexcept {
    std::array<io_uring_cqe*, batch> cqes;
    struct ended {
        uring_op* op;
        int res;
    };
    std::array<ended, batch> ops;
    const unsigned count = io_uring_peek_batch_cqe(&ring_, cqes.data(), batch);
    unsigned op_count = 0;
    for (unsigned i = 0; i < count; ++i) {
        auto* const op = static_cast<uring_op*>(io_uring_cqe_get_data(cqes[i]));
        if (op == nullptr)
            note_wake(*cqes[i]);
        else
            ops[op_count++] = {op, cqes[i]->res};
    }
    io_uring_cq_advance(&ring_, count);
    outstanding_ -= op_count;
    for (unsigned i = 0; i < op_count; ++i)
        ops[i].op->complete(ops[i].res);
    return op_count;
}

// With other sources the env polls. A ring that keeps its completions until this thread asks for them does
// not make its own descriptor readable for each (seen on 6.18, of direct reads and writes); an eventfd hears
// of all. It costs each completion a signal: threads that sleep in their ring never get here.
void uring_loop::be_polled_through_eventfd() noexcept {
    if (fd() != eventfd_ && io_uring_register_eventfd(&ring_, eventfd_) == 0)
        set_fd(eventfd_);
}

bool uring_loop::has_completions() const noexcept {
    return io_uring_cq_ready(&ring_) != 0 ||
           (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

// What came before the eventfd was registered, or was not reaped when it was last read, is not in it.
void uring_loop::before_sleep() noexcept {
    be_polled_through_eventfd();
    push_out();
    if (has_completions())
        eventfd_write(eventfd_, 1);
}

void uring_loop::on_ready() noexcept {
    eventfd_t completions = 0;
    eventfd_read(eventfd_, &completions);
}

bool uring_loop::sleep_here(int wake_fd, std::int64_t timeout_ns) noexcept {
    const bool can_time_out = (ring_.features & IORING_FEAT_EXT_ARG) != 0;
    if ((timeout_ns >= 0 && !can_time_out) || !arm_wake(wake_fd))
        return false;
    start_parked();
    if (io_uring_cq_ready(&ring_) == 0) {
        if (timeout_ns < 0) {
            io_uring_submit_and_wait(&ring_, 1);
        } else {
            __kernel_timespec timeout{timeout_ns / ns_per_s, timeout_ns % ns_per_s};
            io_uring_cqe* first = nullptr;
            io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
        }
    }
    drop_wakes();
    return true;
}

// A wake that was slept for is over; left in the ring it would end the next sleep too, and all others until
// someone reaps. Only after sleeping: before, it can be the wake that this very sleep must not miss.
void uring_loop::drop_wakes() noexcept {
    io_uring_cqe* cqe = nullptr;
    while (io_uring_cq_ready(&ring_) != 0 && io_uring_peek_cqe(&ring_, &cqe) == 0 &&
           io_uring_cqe_get_data(cqe) == nullptr) {
        note_wake(*cqe);
        io_uring_cqe_seen(&ring_, cqe);
    }
}

// The poll has no op: its user data is null.
bool uring_loop::arm_wake(int wake_fd) noexcept {
    if (wake_armed_ || !can_poll_wake_)
        return can_poll_wake_;
    io_uring_sqe* const sqe = get_sqe();
    if (sqe == nullptr)
        return false;
    io_uring_prep_poll_multishot(sqe, wake_fd, POLLIN);
    io_uring_sqe_set_data(sqe, nullptr);
    wake_armed_ = true;
    return true;
}

void uring_loop::note_wake(const io_uring_cqe& cqe) noexcept {
    if ((cqe.flags & IORING_CQE_F_MORE) == 0)
        wake_armed_ = false;
    if (cqe.res < 0)
        can_poll_wake_ = false;
}

buffer_id uring_loop::register_buffer(bytes_span memory) noexcept {
    if (!has_buffer_table_ || buffers_ == buffers_max)
        return unregistered_buffer;
    const iovec buffer{memory.data(), memory.size()};
    if (io_uring_register_buffers_update_tag(&ring_, buffers_, &buffer, nullptr, 1) != 1)
        return unregistered_buffer;
    return static_cast<buffer_id>(buffers_++);
}

void uring_loop::use_files(std::span<const int> descriptors) noexcept {
    assert(descriptors.size() <= files_max);
    std::copy(descriptors.begin(), descriptors.end(), files_.begin());
    const auto count = static_cast<unsigned>(descriptors.size());
    has_file_table_ = io_uring_register_files(&ring_, descriptors.data(), count) == 0;
}

void uring_loop::set_file(io_uring_sqe& sqe, unsigned index) const noexcept {
    sqe.fd = has_file_table_ ? static_cast<int>(index) : files_[index];
    if (has_file_table_)
        sqe.flags |= IOSQE_FIXED_FILE;
}

} // namespace blkcrypto
