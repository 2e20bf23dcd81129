// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/uring_file_device.hpp"

#include "blkcrypto/base/mempool.hpp"
#include "blkcrypto/block/request.hpp"
#include "blkcrypto/dev/uring_loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/uio.h>

namespace blkcrypto {
namespace {

constexpr unsigned iovecs_max = 64;   // of one transfer; a bio with more takes several
constexpr unsigned stalls_max = 1000; // results in a row that move nothing
constexpr std::uint32_t page_size_bytes = 4096;

// The order in which a queue names the files to its ring.
enum file_index : unsigned { buffered_file, direct_file };

// What zeros are written from where the file cannot be told to be zero; never written to.
alignas(page_size_bytes) std::array<std::byte, 65536> zeros;

/// Where a bio's transfer has got to. In bytes, unlike bvec_iter: the kernel may stop anywhere.
struct transfer_place {
    std::uint64_t offset_bytes = 0;
    std::uint32_t left_bytes = 0;
    std::uint32_t index = 0;      // of the current segment
    std::uint32_t done_bytes = 0; // of the current segment

    bio_vec current(const bio& b) const noexcept {
        if (b.op == bio_op::write_zeroes)
            return {zeros.data(), std::min(left_bytes, static_cast<std::uint32_t>(zeros.size()))};
        const bio_vec& segment = b.segments[index];
        const std::uint32_t length = std::min(segment.length_bytes - done_bytes, left_bytes);
        return {segment.data + done_bytes, length, segment.buffer};
    }
    void advance(std::span<const bio_vec> segments, std::uint32_t bytes) noexcept {
        offset_bytes += bytes;
        left_bytes -= bytes;
        done_bytes += bytes;
        while (index < segments.size() && done_bytes >= segments[index].length_bytes) {
            done_bytes -= segments[index].length_bytes;
            ++index;
        }
    }
};

/// The memory of one transfer, as the kernel wants it. Segments that follow each other in memory are one.
class iovec_list {
  public:
    void gather(const bio& b, transfer_place from) noexcept {
        count_ = 0;
        buffer_ = unregistered_buffer;
        while (from.left_bytes != 0) {
            const bio_vec segment = from.current(b);
            if (!add(segment))
                return;
            from.advance(b.segments, segment.length_bytes);
        }
    }

    std::span<const iovec> iovecs() const noexcept { return {iovecs_.data(), count_}; }

    /// The registered buffer of all the memory; only for a single iovec.
    buffer_id buffer() const noexcept { return count_ == 1 ? buffer_ : unregistered_buffer; }

    std::uint64_t size_bytes() const noexcept {
        std::uint64_t sum = 0;
        for (const iovec& memory : iovecs())
            sum += memory.iov_len;
        return sum;
    }

    bool is_aligned(const image_file& file) const noexcept {
        std::uintptr_t addresses = 0;
        std::size_t lengths = 0;
        for (const iovec& memory : iovecs()) {
            addresses |= reinterpret_cast<std::uintptr_t>(memory.iov_base);
            lengths |= memory.iov_len;
        }
        return addresses % file.memory_alignment_bytes == 0 && lengths % file.offset_alignment_bytes == 0;
    }

  private:
    bool add(const bio_vec& segment) noexcept {
        if (count_ != 0 && segment.buffer == buffer_ && segment.data == end_) {
            iovecs_[count_ - 1].iov_len += segment.length_bytes;
        } else {
            if (count_ == iovecs_max)
                return false;
            iovecs_[count_++] = {segment.data, segment.length_bytes};
            buffer_ = segment.buffer;
        }
        end_ = segment.data + segment.length_bytes;
        return true;
    }

    std::array<iovec, iovecs_max> iovecs_;
    unsigned count_ = 0;
    buffer_id buffer_ = unregistered_buffer; // of the last iovec
    const std::byte* end_ = nullptr;         // of the last iovec
};

class file_queue;

/// How a file is told that a range of it is zero, best first; what the filesystem cannot do it says.
enum class zeroing : std::uint8_t { zero_range, punch_hole, write };

/// What an op does next: bring the disk's cache to the disk, change what the file has allocated, or transfer.
enum class file_step : std::uint8_t { sync, allocate, transfer };

/// One request on its way: an fsync, an fallocate, a transfer, or the first and then the last.
class file_op final : public uring_op, public request {
  public:
    explicit file_op(file_queue& queue) noexcept : queue_(queue) {}

    void start() noexcept;
    void prepare(io_uring_sqe& sqe) noexcept override;
    void complete(int res) noexcept override;

  private:
    void prepare_transfer(io_uring_sqe& sqe) noexcept;
    void prepare_allocate(io_uring_sqe& sqe) noexcept;
    void allocation_refused(bool for_good) noexcept;
    bool may_go_direct() const noexcept;
    void synced() noexcept;
    void transferred(std::uint32_t bytes) noexcept;
    void try_again(blk_status otherwise) noexcept;
    void finish(blk_status outcome) noexcept;

    file_queue& queue_;
    const bio* bio_ = nullptr; // the whole of the request
    transfer_place at_;
    iovec_list memory_;
    unsigned stalls_ = 0;
    file_step step_ = file_step::transfer;  // what is under way
    zeroing zeroing_ = zeroing::zero_range; // of write_zeroes
    bool direct_ = false;                   // the transfer under way goes past the page cache
    bool direct_refused_ = false;           // the kernel did not take this bio's memory or place
};

class file_queue final : public block_queue {
  public:
    file_queue(const block_device& device, env& environment, const queue_options& options,
               const image_file& file, result_filter* faults, std::unique_ptr<uring_loop> loop,
               unsigned depth)
        : block_queue(device, environment, options), file_(file), faults_(faults), loop_(std::move(loop)),
          ops_(depth, *this), plug_(environment, {limits().request_bytes_max, options.nomerges}) {
        loop_->use_files(std::array{file.buffered.get(), file.direct.get()});
    }

    buffer_id register_buffer(bytes_span memory) noexcept override { return loop_->register_buffer(memory); }
    bool pools_are_whole() const noexcept override { return ops_.is_whole(); }

    const image_file& file() const noexcept { return file_; }
    uring_loop& loop() noexcept { return *loop_; }
    zeroing& way_to_zero() noexcept { return way_to_zero_; }
    int filtered(int res) noexcept { return faults_ == nullptr ? res : faults_->filter_result(res); }

    /// What the request had moved is well, whatever happened after.
    void finish(file_op& op, std::uint32_t moved_bytes, blk_status outcome) noexcept {
        op.take_parts(moved_bytes, [&](bio& part, bool moved) {
            block_queue::complete(part, moved ? blk_status::ok : outcome);
        });
        some_ended_ = true;
        ops_.put(op);
    }

  private:
    void do_submit(bio& b) noexcept override {
        if (!try_gather(b))
            waiting_.push(b);
    }

    bool try_gather(bio& b) noexcept {
        if (plug_.try_merge(b))
            return true;
        file_op* const op = ops_.try_get();
        if (op == nullptr)
            return false;
        op->begin(b);
        plug_.add(*op);
        return true;
    }

    void unplug() noexcept {
        while (request* const next = plug_.take())
            static_cast<file_op*>(next)->start();
    }

    void start_waiting() noexcept {
        while (bio* const first = waiting_.pop())
            if (!try_gather(*first))
                return waiting_.push_front(*first);
    }

    void do_poll() noexcept override {
        some_ended_ = false;
        unplug();
        loop_->reap();
        start_waiting();
        unplug();
        // An op that goes on is the only news, and the caller may now sleep: it must be on its way.
        if (!some_ended_)
            loop_->push_out();
    }

    const image_file& file_;
    result_filter* const faults_;
    const std::unique_ptr<uring_loop> loop_;
    mempool<file_op> ops_;
    plug plug_;
    bio_list waiting_;                          // for an op
    zeroing way_to_zero_ = zeroing::zero_range; // the best one the filesystem has not refused
    bool some_ended_ = false;
};

void file_op::start() noexcept {
    const bio& b = whole();
    bio_ = &b;
    at_ = {to_bytes(b.iter.start).value, b.iter.size_bytes, b.iter.index, b.iter.done_bytes};
    stalls_ = 0;
    if (b.op == bio_op::flush || b.preflush)
        step_ = file_step::sync;
    else if (b.op == bio_op::discard || b.op == bio_op::write_zeroes)
        step_ = file_step::allocate;
    else
        step_ = file_step::transfer;
    zeroing_ = queue_.way_to_zero();
    if (step_ == file_step::allocate && b.op == bio_op::write_zeroes && zeroing_ == zeroing::write)
        step_ = file_step::transfer;
    direct_refused_ = false;
    queue_.loop().submit(*this);
}

void file_op::prepare(io_uring_sqe& sqe) noexcept {
    if (step_ == file_step::sync) {
        io_uring_prep_fsync(&sqe, 0, IORING_FSYNC_DATASYNC);
        queue_.loop().set_file(sqe, buffered_file);
        return;
    }
    if (step_ == file_step::allocate)
        return prepare_allocate(sqe);
    memory_.gather(*bio_, at_);
    direct_ = may_go_direct();
    prepare_transfer(sqe);
    queue_.loop().set_file(sqe, direct_ ? direct_file : buffered_file);
    if (bio_->fua && bio_->op == bio_op::write)
        sqe.rw_flags = RWF_DSYNC;
}

void file_op::prepare_allocate(io_uring_sqe& sqe) noexcept {
    const bool zeroes = bio_->op == bio_op::write_zeroes && zeroing_ == zeroing::zero_range;
    const int mode = FALLOC_FL_KEEP_SIZE | (zeroes ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);
    io_uring_prep_fallocate(&sqe, 0, mode, static_cast<off_t>(at_.offset_bytes), at_.left_bytes);
    queue_.loop().set_file(sqe, buffered_file);
}

// The next best way to zeros; a discard has no other. Not for good where only this range was refused, which
// may be less than a block of the device below.
void file_op::allocation_refused(bool for_good) noexcept {
    if (bio_->op == bio_op::discard)
        return finish(blk_status::notsupp);
    zeroing_ = for_good && zeroing_ == zeroing::zero_range ? zeroing::punch_hole : zeroing::write;
    if (for_good)
        queue_.way_to_zero() = std::max(queue_.way_to_zero(), zeroing_);
    if (zeroing_ == zeroing::write)
        step_ = file_step::transfer;
    queue_.loop().submit(*this);
}

void file_op::prepare_transfer(io_uring_sqe& sqe) noexcept {
    const bool reads = bio_->op == bio_op::read;
    const std::span<const iovec> iovecs = memory_.iovecs();
    const iovec& first = iovecs.front();
    const auto length = static_cast<unsigned>(first.iov_len);
    if (iovecs.size() > 1) {
        io_uring_prep_rw(reads ? IORING_OP_READV : IORING_OP_WRITEV, &sqe, 0, iovecs.data(),
                         static_cast<unsigned>(iovecs.size()), at_.offset_bytes);
    } else if (memory_.buffer() == unregistered_buffer) {
        io_uring_prep_rw(reads ? IORING_OP_READ : IORING_OP_WRITE, &sqe, 0, first.iov_base, length,
                         at_.offset_bytes);
    } else {
        io_uring_prep_rw(reads ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED, &sqe, 0, first.iov_base,
                         length, at_.offset_bytes);
        sqe.buf_index = memory_.buffer();
    }
}

// The kernel keeps both ways to one file coherent: a direct read writes cached pages back first, a direct
// write drops them before and after. That goes wrong only while the two overlap in time on the same page: a
// buffered write of one sector then takes the page's other sectors as they were and writes them back later,
// over a direct write to those. So writes go direct in whole pages only: then overlapping pages mean
// overlapping bios, whose order is the submitter's affair.
bool file_op::may_go_direct() const noexcept {
    const image_file& file = queue_.file();
    if (!file.direct || direct_refused_)
        return false;
    const std::uint64_t place = at_.offset_bytes | memory_.size_bytes();
    const std::uint32_t granule = bio_->op != bio_op::read
                                      ? std::max(file.offset_alignment_bytes, page_size_bytes)
                                      : file.offset_alignment_bytes;
    return place % granule == 0 && memory_.is_aligned(file);
}

void file_op::complete(int res) noexcept {
    res = queue_.filtered(res);
    if (res == -EINTR || res == -EAGAIN)
        return try_again(blk_status::again);
    if ((res == -EOPNOTSUPP || res == -EINVAL) && step_ == file_step::allocate)
        return allocation_refused(res == -EOPNOTSUPP);
    if (res == -EINVAL && direct_ && step_ == file_step::transfer) {
        direct_refused_ = true;
        return try_again(blk_status::inval);
    }
    if (res < 0)
        return finish(to_blk_status(-res));
    if (step_ == file_step::sync)
        return synced();
    if (step_ == file_step::allocate)
        return finish(blk_status::ok);
    transferred(static_cast<std::uint32_t>(res));
}

void file_op::try_again(blk_status otherwise) noexcept {
    if (++stalls_ > stalls_max)
        return finish(otherwise);
    queue_.loop().submit(*this);
}

void file_op::finish(blk_status outcome) noexcept {
    queue_.finish(*this,
                  outcome == blk_status::ok ? bio_->iter.size_bytes : bio_->iter.size_bytes - at_.left_bytes,
                  outcome);
}

void file_op::synced() noexcept {
    step_ = file_step::transfer;
    stalls_ = 0;
    if (!bio_->has_data())
        return finish(blk_status::ok);
    queue_.loop().submit(*this);
}

// Nothing at all: the end of a file that has become shorter.
void file_op::transferred(std::uint32_t bytes) noexcept {
    if (bytes == 0)
        return finish(blk_status::ioerr);
    stalls_ = 0;
    at_.advance(bio_->segments, bytes);
    if (at_.left_bytes == 0)
        return finish(blk_status::ok);
    queue_.loop().submit(*this);
}

class uring_file_device final : public block_device {
  public:
    uring_file_device(image_file file, result_filter* faults) noexcept
        : file_(std::move(file)), faults_(faults) {
        limits_.memory_alignment_bytes = file_.memory_alignment_bytes;
        limits_.volatile_cache = true;
    }

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return to_sectors_floor(file_.size); }
    std::string describe() const override {
        return file_.path + " (io_uring, " + (file_.direct ? "direct" : "buffered") + ")";
    }

    result<std::unique_ptr<block_queue>> make_queue(env& environment, const queue_options& options) override {
        const unsigned depth = std::max(options.depth, 1U);
        auto loop = uring_loop::make(environment, depth);
        if (!loop)
            return loop.error();
        return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
            return std::make_unique<file_queue>(*this, environment, options, file_, faults_, std::move(*loop),
                                                depth);
        });
    }

  private:
    const image_file file_;
    result_filter* const faults_;
    queue_limits limits_;
};

} // namespace

result<std::unique_ptr<block_device>> make_uring_file_device(const uring_file_options& options) {
    auto file = image_file::open(options.path, options.read_only, options.direct);
    if (!file)
        return file.error();
    return or_no_memory([&]() -> result<std::unique_ptr<block_device>> {
        return std::make_unique<uring_file_device>(std::move(*file), options.test_faults);
    });
}

} // namespace blkcrypto
