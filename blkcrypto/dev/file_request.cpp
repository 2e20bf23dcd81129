// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/file_request.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>

namespace blkcrypto {
namespace {

constexpr unsigned stalls_max = 1000;

} // namespace

void file_request::start() noexcept {
    bio_ = &whole();
    at_ = transfer_place::start_of(*bio_);
    stalls_ = 0;
    copies_ = target_.file.direct && !is_aligned(*bio_, target_.file);
    zeroing_ = as_asked(target_.way_to_zero);
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
    return transfer();
}

file_call file_request::allocation() const noexcept {
    const bool zeroes = bio_->op == bio_op::write_zeroes && zeroing_ == zeroing::zero_range;
    return {.kind = file_call_kind::fallocate,
            .flags = FALLOC_FL_KEEP_SIZE | (zeroes ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE),
            .offset_bytes = at_.offset_bytes,
            .length_bytes = at_.left_bytes};
}

// Past the page cache where the file can be had so, always: the kernel keeps both ways to a file coherent
// only as long as they do not meet on a page, or a larger piece of the cache, at the same time. When they do,
// one overwrites the other, or the next flush fails. Memory that the kernel cannot use for it is copied.
file_call file_request::transfer() noexcept {
    std::span<const iovec> memory;
    if (copies_)
        memory = gather_copy();
    else
        memory = memory_.gather(*bio_, at_);
    return {.kind = bio_->op == bio_op::read ? file_call_kind::read : file_call_kind::write,
            .direct = static_cast<bool>(target_.file.direct),
            .flags = bio_->fua ? RWF_DSYNC : 0,
            .offset_bytes = at_.offset_bytes,
            .buffer = copies_ ? unregistered_buffer : memory_.buffer(),
            .memory = memory};
}

std::span<const iovec> file_request::gather_copy() noexcept {
    const std::size_t bytes = std::min<std::size_t>(at_.left_bytes, target_.scratch.size());
    const bytes_span part = target_.scratch.first(bytes);
    if (bio_->op != bio_op::read)
        at_.copy_out(*bio_, part);
    copy_ = {part.data(), part.size()};
    return {&copy_, 1};
}

bool file_request::goes_on_after(int res) noexcept {
    if (target_.faults != nullptr) [[unlikely]]
        res = target_.faults->filter_result(res);
    if (res == -EINTR || res == -EAGAIN)
        return tries_again(blk_status::again);
    if ((res == -EOPNOTSUPP || res == -EINVAL) && step_ == step::allocate)
        return goes_on_after_refusal(res == -EOPNOTSUPP);
    if (res == -EINVAL && step_ == step::transfer && target_.file.direct && !copies_)
        return copies_ = true; // it may be the memory, whatever the file said of its needs
    if (res < 0)
        return ends(to_blk_status(-res));
    if (step_ == step::sync)
        return goes_on_after_sync();
    if (step_ == step::allocate)
        return ends(blk_status::ok);
    return goes_on_after_transfer(static_cast<std::uint32_t>(res));
}

zeroing file_request::as_asked(zeroing best) const noexcept {
    return best == zeroing::punch_hole && bio_->nounmap ? zeroing::write : best;
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
    zeroing_ = as_asked(zeroing_);
    if (zeroing_ == zeroing::write)
        step_ = step::transfer;
    return true;
}

bool file_request::goes_on_after_sync() noexcept {
    step_ = step::transfer;
    stalls_ = 0;
    return bio_->has_data() || ends(blk_status::ok);
}

// Nothing at all: the end of a file that has become shorter. Of a block that was moved in part the rest
// cannot be moved past the page cache: it is moved again, whole.
bool file_request::goes_on_after_transfer(std::uint32_t bytes) noexcept {
    if (bytes == 0)
        return ends(blk_status::ioerr);
    if (target_.file.direct && bytes < at_.left_bytes)
        bytes -= bytes % target_.file.offset_alignment_bytes;
    if (bytes == 0)
        return tries_again(blk_status::ioerr);
    stalls_ = 0;
    if (copies_ && bio_->op == bio_op::read)
        at_.copy_in(*bio_, target_.scratch.first(bytes));
    at_.advance(bio_->segments, bytes);
    return at_.left_bytes != 0 || ends(blk_status::ok);
}

bool file_request::ends(blk_status outcome) noexcept {
    outcome_ = outcome;
    return false;
}

} // namespace blkcrypto
