// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a device is asked to do at once: one bio, or several that follow each other (struct request, as far as
// merging goes). Queues that pay for each request gather bios in a plug (struct blk_plug) between one poll
// and the next; what is adjacent then goes out together and ends together.
//
// A request is a part of whatever its queue has per request: a file operation, a command, a job. It owns
// nothing; the bios stay their submitters'.

#include "blkcrypto/base/env.hpp"
#include "blkcrypto/block/bio.hpp"

#include <array>

namespace blkcrypto {

class request {
  public:
    static constexpr unsigned segments_max = 64; // of a merged one

    request() = default;
    request(const request&) = delete;
    request& operator=(const request&) = delete;

    /// Becomes the request of this bio alone.
    void begin(bio& b) noexcept {
        parts_ = {};
        parts_.push(b);
        whole_ = &b;
        has_stamps_ = b.stamps != nullptr;
    }

    /// bio_attempt_back_merge() and bio_attempt_front_merge(): takes the bio in if bio_mergeable() and if the
    /// whole has no more than `bytes_max` bytes and segments_max segments. After a back merge it keeps its
    /// place and its DUN, after a front merge it has those of the bio.
    bool try_merge(bio& b, std::uint32_t bytes_max) noexcept {
        const std::uint64_t start = whole_->iter.start.value;
        const bool follows = start + (whole_->iter.size_bytes >> sector_bits) == b.iter.start.value;
        const bool precedes = b.iter.start.value + (b.iter.size_bytes >> sector_bits) == start;
        return (follows || precedes) && merge(b, follows, bytes_max);
    }

    /// All of it as one bio, with an observer that means nothing and without stamps. While it has one part,
    /// that part itself.
    const bio& whole() const noexcept { return *whole_; }
    bool is_merged() const noexcept { return whole_ == &merged_; }

    void enter_stage(bio_stage stage, auto& clock) noexcept {
        if (!has_stamps_) [[likely]]
            return;
        for (bio* b = parts_.front(); b != nullptr; b = bio_list::after(*b))
            b->enter_stage(stage, clock);
    }

    /// For the time of what is done once for all parts: those of the first part that brings some; null if
    /// none does.
    bio_stamps* stamps() const noexcept {
        const bio* b = has_stamps_ ? parts_.front() : nullptr;
        while (b != nullptr && b->stamps == nullptr)
            b = bio_list::after(*b);
        return b == nullptr ? nullptr : b->stamps;
    }

    /// Hands out the parts, in their order on the device, and is empty then: tell(part, moved), where `moved`
    /// says that the part has data and that all of it lies within the first `done_bytes`.
    void take_parts(std::uint32_t done_bytes, auto tell) noexcept {
        std::uint64_t end_bytes = 0;
        while (bio* part = parts_.pop()) {
            end_bytes += part->iter.size_bytes;
            tell(*part, part->iter.size_bytes != 0 && end_bytes <= done_bytes);
        }
    }

  private:
    friend class plug;

    bool merge(bio& b, bool at_end, std::uint32_t bytes_max) noexcept;
    void become_merged() noexcept;
    void append(bio& b) noexcept;
    void prepend(bio& b) noexcept;
    void gather(const bio& b) noexcept;

    bio_list parts_;          // in their order on the device
    bio* whole_ = nullptr;    // the only part, or merged_
    bool has_stamps_ = false; // one of the parts does
    request* next_ = nullptr; // in the plug
    bio merged_;
    unsigned segment_count_ = 0; // of merged_
    std::array<bio_vec, segments_max> segments_;
};

/// Requests gathered since the last poll, first in, first out. While there are any, the env does not let the
/// thread sleep, as schedule() unplugs.
class plug {
  public:
    struct options {
        std::uint32_t request_bytes_max; // of bios merged into one
        bool nomerges = false;           // never merge
    };

    plug(env& environment, const options& limits) noexcept : env_(environment), limits_(limits) {}
    ~plug();
    plug(const plug&) = delete;
    plug& operator=(const plug&) = delete;

    bool empty() const noexcept { return oldest_ == nullptr; }

    /// True: the bio has become part of one of the last few requests.
    bool try_merge(bio& b) noexcept {
        if (limits_.nomerges)
            return false;
        for (unsigned i = 0; i < recent_count_; ++i)
            if (recent_[i]->try_merge(b, limits_.request_bytes_max))
                return true;
        return false;
    }

    void add(request& r) noexcept;

    /// The oldest; null if there is none.
    request* take() noexcept;

  private:
    void forget(const request& leaving) noexcept;

    static constexpr unsigned recent_max = 4; // that many streams side by side merge

    env& env_;
    const options limits_;
    request* oldest_ = nullptr;
    request* newest_ = nullptr;
    std::array<request*, recent_max> recent_; // newest first
    unsigned recent_count_ = 0;
};

} // namespace blkcrypto
