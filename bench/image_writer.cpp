// SPDX-License-Identifier: Apache-2.0
#include "bench/image_writer.hpp"

#include "bench/io_buffers.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/cli/progress.hpp"

#include <algorithm>
#include <bit>
#include <deque>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

constexpr unsigned writes_in_flight = 16;

// Keeps some blocks in flight until the plan ends or a write fails.
class writer final : public block_observer {
  public:
    writer(compare_path& path, env& e, block_plan& plan, std::uint64_t content_seed)
        : plan_(plan), seed_(content_seed), buffers_(writes_in_flight, block_plan::block_bytes_max),
          queue_(open_queue(path, e)) {
        const buffer_id registered = queue_->register_buffer(buffers_.all());
        for (unsigned i = 0; i < writes_in_flight; ++i)
            blocks_.emplace_back(path.layout(), buffers_[i], registered, *this);
    }

    // Also when an exception comes by: what is in flight uses the blocks and the buffers.
    ~writer() {
        is_stopped_ = true;
        drain();
    }
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;

    void run(cli::progress& progress) {
        for (auto& io : blocks_)
            write_next(io);
        while (queue_->in_flight() != 0) {
            queue_->wait();
            progress.update(done_bytes_);
        }
        if (!failure_)
            flush();
    }

    const std::optional<io_failure>& failure() const noexcept { return failure_; }

  private:
    struct ended_bio final : bio_end_io {
        blk_status status = blk_status::ok;
        void end_io(bio& ended) noexcept override { status = ended.status; }
    };

    static std::unique_ptr<submit_queue> open_queue(compare_path& path, env& e) {
        auto queue =
            path.make_queue(e, {.depth = writes_in_flight, .io_size_bytes = block_plan::block_bytes_max});
        if (queue.has_error())
            throw cli::file_error(cli::exit_failed, path.subject().image, queue.error().value());
        return std::move(*queue);
    }

    void drain() noexcept {
        while (queue_->in_flight() != 0)
            queue_->wait();
    }
    void flush() noexcept {
        ended_bio told;
        bio b;
        b.prepare(bio_op::flush, {}, {}, told);
        queue_->submit(b);
        drain();
        if (told.status != blk_status::ok)
            failure_ = io_failure{bio_op::flush, 0, told.status};
    }
    void write_next(block_io& io) noexcept {
        image_block block;
        if (is_stopped_ || failure_ || !plan_.next(block))
            return;
        fill_content(seed_, block.offset_bytes, io.buffer().first(block.length_bytes));
        io.submit(*queue_, bio_op::write, block);
    }
    void block_ended(block_io& ended) noexcept override {
        if (!failure_)
            failure_ = ended.failure();
        done_bytes_ += ended.block().length_bytes;
        write_next(ended);
    }

    block_plan& plan_;
    const std::uint64_t seed_;
    std::uint64_t done_bytes_ = 0;
    std::optional<io_failure> failure_;
    bool is_stopped_ = false; // nothing more is submitted
    io_buffers buffers_;
    std::deque<block_io> blocks_;
    std::unique_ptr<submit_queue> queue_; // after the buffers: it has them registered
};

} // namespace

bool sequential_plan::next(image_block& block) {
    const std::uint64_t left = size_bytes_ - at_;
    block = {at_, static_cast<std::uint32_t>(std::min<std::uint64_t>(left, block_bytes_max))};
    at_ += block.length_bytes;
    return left != 0;
}

bool shuffled_plan::next(image_block& block) {
    if (region_.empty())
        plan_region();
    if (region_.empty())
        return false;
    block = region_.back();
    region_.pop_back();
    return true;
}

void shuffled_plan::plan_region() {
    const std::uint64_t end_bytes = at_ + std::min(size_bytes_ - at_, region_bytes);
    while (at_ < end_bytes)
        region_.push_back(cut(end_bytes));
    for (std::size_t left = region_.size(); left > 1; --left)
        std::swap(region_[left - 1], region_[numbers_.below(left)]);
}

// As many small blocks as large ones: the largest possible length is drawn first, as a power of two.
image_block shuffled_plan::cut(std::uint64_t end_bytes) {
    const std::uint64_t octaves =
        static_cast<std::uint64_t>(std::bit_width(unit_size_.units_in(block_bytes_max)));
    const std::uint64_t units = 1 + numbers_.below(std::uint64_t{1} << numbers_.below(octaves));
    const std::uint64_t length_bytes = std::min(units << unit_size_.bits(), end_bytes - at_);
    const image_block block{at_, static_cast<std::uint32_t>(length_bytes)};
    at_ += length_bytes;
    return block;
}

std::string describe_io(const io_failure& failure, const std::string& image) {
    const auto op = failure.op == bio_op::read ? "read" : failure.op == bio_op::write ? "write" : "flush";
    return fmt::format("{}: {} at offset {}", image, op, failure.offset_bytes);
}

void write_image(compare_path& path, env& e, block_plan& plan, std::uint64_t content_seed,
                 const std::string& what) {
    cli::progress progress(what, path.layout().stripes->size_bytes());
    writer all(path, e, plan, content_seed);
    all.run(progress);
    if (all.failure())
        throw cli::file_error(cli::exit_failed, describe_io(*all.failure(), path.subject().image),
                              to_errno(all.failure()->status));
}

} // namespace blkcrypto::bench
