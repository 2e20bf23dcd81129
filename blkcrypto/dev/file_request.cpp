// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/file_request.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>

namespace blkcrypto {
namespace {

constexpr unsigned stalls_max = 1000;
constexpr std::uint32_t page_size_bytes = 4096;

} // namespace

void file_request::start() noexcept {
    bio_ = &whole();
    at_ = transfer_place::start_of(*bio_);
    stalls_ = 0;
    direct_refused_ = false;
    zeroing_ = target_.way_to_zero;
    if (bio_->op == bio_op::flush || bio_->preflush)
        step_ = step::sync;
    else if (bio_->op == bio_op::discard || (bio_->op == bio_op::write_zeroes && zeroing_ != zeroing::write))
        step_ = step::allocate;
    else
        step_ = step::transfer;
}

file_call file_request::next_call() noexcept {
    if (step_ == step::sync)
        return {.kind = file_call_kind::fdatasync};
    if (step_ == step::allocate)
        return allocation();
    memory_.gather(*bio_, at_);
    direct_ = may_go_direct();
    return {.kind = bio_->op == bio_op::read ? file_call_kind::read : file_call_kind::write,
            .direct = direct_,
            .flags = bio_->fua ? RWF_DSYNC : 0,
            .offset_bytes = at_.offset_bytes,
            .buffer = memory_.buffer(),
            .memory = memory_.iovecs()};
}

file_call file_request::allocation() const noexcept {
    const bool zeroes = bio_->op == bio_op::write_zeroes && zeroing_ == zeroing::zero_range;
    return {.kind = file_call_kind::fallocate,
            .flags = FALLOC_FL_KEEP_SIZE | (zeroes ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE),
            .offset_bytes = at_.offset_bytes,
            .length_bytes = at_.left_bytes};
}

// The kernel keeps both ways to one file coherent: a direct read writes cached pages back first, a direct
// write drops them before and after. That goes wrong only while the two overlap in time on the same page: a
// buffered write of one sector then takes the page's other sectors as they were and writes them back later,
// over a direct write to those. So writes go direct in whole pages only: then overlapping pages mean
// overlapping bios, whose order is the submitter's affair.
bool file_request::may_go_direct() const noexcept {
    const image_file& file = target_.file;
    if (!file.direct || direct_refused_)
        return false;
    const std::uint64_t place = at_.offset_bytes | memory_.size_bytes();
    const std::uint32_t granule = bio_->op != bio_op::read
                                      ? std::max(file.offset_alignment_bytes, page_size_bytes)
                                      : file.offset_alignment_bytes;
    return place % granule == 0 && memory_.is_aligned(file);
}

bool file_request::goes_on_after(int res) noexcept {
    if (target_.faults != nullptr) [[unlikely]]
        res = target_.faults->filter_result(res);
    if (res == -EINTR || res == -EAGAIN)
        return tries_again(blk_status::again);
    if ((res == -EOPNOTSUPP || res == -EINVAL) && step_ == step::allocate)
        return goes_on_after_refusal(res == -EOPNOTSUPP);
    if (res == -EINVAL && direct_ && step_ == step::transfer) {
        direct_refused_ = true;
        return tries_again(blk_status::inval);
    }
    if (res < 0)
        return ends(to_blk_status(-res));
    if (step_ == step::sync)
        return goes_on_after_sync();
    if (step_ == step::allocate)
        return ends(blk_status::ok);
    return goes_on_after_transfer(static_cast<std::uint32_t>(res));
}

bool file_request::tries_again(blk_status otherwise) noexcept {
    return ++stalls_ <= stalls_max || ends(otherwise);
}

// The next best way to zeros; a discard has no other. Not for good where only this range was refused, which
// may be less than a block of the device below.
bool file_request::goes_on_after_refusal(bool for_good) noexcept {
    if (bio_->op == bio_op::discard)
        return ends(blk_status::notsupp);
    zeroing_ = for_good && zeroing_ == zeroing::zero_range ? zeroing::punch_hole : zeroing::write;
    if (for_good)
        target_.way_to_zero = std::max(target_.way_to_zero, zeroing_);
    if (zeroing_ == zeroing::write)
        step_ = step::transfer;
    return true;
}

bool file_request::goes_on_after_sync() noexcept {
    step_ = step::transfer;
    stalls_ = 0;
    return bio_->has_data() || ends(blk_status::ok);
}

// Nothing at all: the end of a file that has become shorter.
bool file_request::goes_on_after_transfer(std::uint32_t bytes) noexcept {
    if (bytes == 0)
        return ends(blk_status::ioerr);
    stalls_ = 0;
    at_.advance(bio_->segments, bytes);
    return at_.left_bytes != 0 || ends(blk_status::ok);
}

bool file_request::ends(blk_status outcome) noexcept {
    outcome_ = outcome;
    return false;
}

} // namespace blkcrypto
