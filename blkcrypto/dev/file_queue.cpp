// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/file_queue.hpp"

#include "blkcrypto/block/request_pool.hpp"
#include "blkcrypto/dev/file_request.hpp"
#include "blkcrypto/dev/uring_loop.hpp"

#include <algorithm>
#include <array>

namespace blkcrypto {
namespace {

constexpr resource_class file_requests{"file_queue.requests"};

// Smaller requests cost a kernel worker, and this thread to wake it, more than they cost this thread alone.
constexpr std::uint32_t worth_a_worker_bytes = 128 << 10;

// What one poll carries out before those that ended are told, at least one request: the thread has other
// queues, and what was read is still in the processor's cache.
constexpr unsigned requests_per_poll = 32;
constexpr std::uint32_t bytes_per_poll = 512 << 10;

// The order in which a queue names the files to its ring.
enum file_index : unsigned { buffered_file, direct_file };

class file_queue;

/// One request on its way: carried out at once, or one op of the ring after the other.
class file_op final : public uring_op, public file_request {
  public:
    file_op(file_queue& queue, file_target& target) noexcept : file_request(target), queue_(queue) {}

    void prepare(io_uring_sqe& sqe) noexcept override;
    void complete(int res) noexcept override;

  private:
    file_queue& queue_;
};

class file_queue final : public block_queue {
  public:
    file_queue(const block_device& device, env& environment, const queue_options& options,
               const image_file& file, image_io io, result_filter* faults, std::unique_ptr<uring_loop> loop)
        : block_queue(device, environment, options),
          scratch_(file.direct ? std::make_unique<scratch_memory>() : nullptr),
          target_{file, faults, scratch_ ? bytes_span(scratch_->bytes) : bytes_span()}, io_(io),
          loop_(std::move(loop)),
          ops_(environment, file_requests, {limits().request_bytes_max, options.nomerges}, options.depth,
               *this, target_) {
        if (loop_)
            loop_->use_files(std::array{file.buffered.get(), file.direct.get()});
    }

    buffer_id register_buffer(bytes_span memory) noexcept override {
        return loop_ ? loop_->register_buffer(memory) : unregistered_buffer;
    }
    bool pools_are_whole() const noexcept override { return ops_.is_whole(); }

    void prepare(file_op& op, io_uring_sqe& sqe) noexcept {
        const file_call call = op.next_call();
        prepare_call(call, sqe);
        loop_->set_file(sqe, call.direct ? direct_file : buffered_file);
    }

    void returned(file_op& op, int res) noexcept {
        const bool goes_on = op.goes_on_after(res);
        if (goes_on && !op.needs_scratch())
            return loop_->submit(op);
        --in_ring_;
        if (goes_on)
            carry_out(op);
        else
            end(op);
    }

  private:
    void do_submit(bio& b) noexcept override { ops_.submit(b); }

    void do_poll() noexcept override {
        some_ended_ = false;
        requests_left_ = requests_per_poll;
        bytes_left_ = bytes_per_poll;
        start_gathered();
        if (!loop_)
            return;
        loop_->reap();
        start_gathered(); // what waited for a request
        // A request that goes on is the only news, and the caller may now sleep: it must be on its way.
        if (!some_ended_)
            loop_->push_out();
    }

    void start_gathered() noexcept {
        while (requests_left_ != 0 && bytes_left_ > 0) {
            file_op* const next = ops_.take();
            if (next == nullptr)
                return;
            next->start();
            if (is_for_ring(*next))
                give_to_ring(*next);
            else
                carry_out(*next);
        }
    }

    // A large request alone has nothing to gain from another processor.
    bool is_for_ring(const file_op& op) const noexcept {
        if (op.needs_scratch())
            return false;
        if (io_ != image_io::by_size)
            return io_ == image_io::io_uring;
        return op.whole().iter.size_bytes >= worth_a_worker_bytes && (in_ring_ != 0 || ops_.has_gathered());
    }

    void give_to_ring(file_op& op) noexcept {
        ++in_ring_;
        loop_->submit(op);
    }

    void carry_out(file_op& op) noexcept {
        requests_left_ -=
            requests_left_ != 0 ? 1 : 0; // one that the ring gave back is carried out in any case
        bytes_left_ -= op.whole().iter.size_bytes;
        while (op.goes_on_after(make_call(op.next_call(), target_.file))) {
        }
        end(op);
    }

    void end(file_op& op) noexcept {
        op.end([&](bio& b, blk_status outcome) { complete(b, outcome); });
        some_ended_ = true;
        ops_.put(op);
    }

    struct alignas(4096) scratch_memory {
        std::array<std::byte, 65536> bytes;
    };

    const std::unique_ptr<scratch_memory> scratch_; // null without direct I/O, which alone needs it
    file_target target_;
    const image_io io_;
    const std::unique_ptr<uring_loop> loop_; // null: preadv2
    request_pool<file_op> ops_;
    unsigned in_ring_ = 0;        // requests
    unsigned requests_left_ = 0;  // for this poll to carry out
    std::int64_t bytes_left_ = 0; // for this poll to carry out, the last request may be larger
    bool some_ended_ = false;
};

void file_op::prepare(io_uring_sqe& sqe) noexcept {
    queue_.prepare(*this, sqe);
}

void file_op::complete(int res) noexcept {
    queue_.returned(*this, res);
}

} // namespace

result<std::unique_ptr<block_queue>> make_file_queue(const block_device& device, env& environment,
                                                     const queue_options& options, const image_file& file,
                                                     image_io io, result_filter* faults) {
    std::unique_ptr<uring_loop> loop;
    if (io != image_io::preadv2) {
        auto made = uring_loop::make(environment, std::max(options.depth, 1U));
        if (!made)
            return made.error();
        loop = std::move(*made);
    }
    return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
        return std::make_unique<file_queue>(device, environment, options, file, io, faults, std::move(loop));
    });
}

} // namespace blkcrypto
