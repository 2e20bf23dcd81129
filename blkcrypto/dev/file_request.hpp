// SPDX-License-Identifier: Apache-2.0
#pragma once
// A request to an image file: which system calls it takes, one after the other, and what their results mean.
// A queue of whatever kind makes the calls: it starts the request, asks for a call, makes it, tells what came
// of it, and so on until the request has ended. Nothing here blocks or knows how calls are made.

#include "blkcrypto/block/request.hpp"
#include "blkcrypto/dev/file_call.hpp"
#include "blkcrypto/dev/file_transfer.hpp"
#include "blkcrypto/dev/result_filter.hpp"

namespace blkcrypto {

/// How a file is told that a range of it is zero, best first; what the filesystem cannot do it says.
enum class zeroing : std::uint8_t { zero_range, punch_hole, write };

/// What the requests of a queue share.
struct file_target {
    const image_file& file;
    result_filter* const faults;               // null but in tests
    const bytes_span scratch;                  // page-aligned: what needs copying is copied through it
    zeroing way_to_zero = zeroing::zero_range; // the best one that the filesystem has not refused
};

class file_request : public request {
  public:
    explicit file_request(file_target& target) noexcept : target_(target) {}

    /// All bios are in. There is a call to make, and what is to be made next then is next_call().
    void start() noexcept;
    file_call next_call() noexcept;

    /// The calls use the scratch memory that all requests of the queue share: they are made here and now, one
    /// request after the other.
    bool needs_scratch() const noexcept { return copies_; }

    /// `res` is what came of it, as in a CQE. True: there is another call to make.
    [[nodiscard]] bool goes_on_after(int res) noexcept;

    /// When there is none: tell(bio, status) for each bio, which are the submitter's then. What was moved is
    /// well, whatever happened after.
    void end(auto tell) noexcept {
        const std::uint32_t size_bytes = bio_->iter.size_bytes;
        const std::uint32_t moved_bytes =
            outcome_ == blk_status::ok ? size_bytes : size_bytes - at_.left_bytes;
        take_parts(moved_bytes,
                   [&](bio& part, bool moved) { tell(part, moved ? blk_status::ok : outcome_); });
    }

  private:
    /// Bring the disk's cache to the disk, change what the file has allocated, or transfer.
    enum class step : std::uint8_t { sync, allocate, transfer };

    zeroing as_asked(zeroing best) const noexcept;
    file_call allocation() const noexcept;
    file_call transfer() noexcept;
    std::span<const iovec> gather_copy() noexcept;
    bool goes_on_after_refusal(bool for_good) noexcept;
    bool goes_on_after_sync() noexcept;
    bool goes_on_after_transfer(std::uint32_t bytes) noexcept;
    bool tries_again(blk_status otherwise) noexcept;
    bool ends(blk_status outcome) noexcept;

    file_target& target_;
    const bio* bio_ = nullptr; // the whole of the request
    transfer_place at_;
    unsigned stalls_ = 0;                   // results in a row that moved nothing
    step step_ = step::transfer;            // what is under way
    zeroing zeroing_ = zeroing::zero_range; // of write_zeroes
    bool copies_ = false;                   // through the scratch memory
    blk_status outcome_ = blk_status::ok;
    iovec copy_{};
    iovec_list memory_;
};

} // namespace blkcrypto
