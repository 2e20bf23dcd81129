// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/request.hpp"

#include "blkcrypto/block/merge.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace blkcrypto {
namespace {

// As many as it may have; a bio that was split may need fewer.
std::size_t segments_left(const bio& b) noexcept {
    return b.segments.size() - b.iter.index;
}

} // namespace

// --- request ---

bool request::merge(bio& b, bool at_end, std::uint32_t bytes_max) noexcept {
    if (std::uint64_t{whole_->iter.size_bytes} + b.iter.size_bytes > bytes_max ||
        segments_left(*whole_) + segments_left(b) > segments_max)
        return false;
    if (!(at_end ? bio_mergeable(*whole_, b) : bio_mergeable(b, *whole_)))
        return false;
    if (!is_merged())
        become_merged();
    at_end ? append(b) : prepend(b);
    has_stamps_ = has_stamps_ || b.stamps != nullptr;
    merged_.segments = {segments_.data(), segment_count_};
    merged_.iter.size_bytes += b.iter.size_bytes;
    return true;
}

void request::become_merged() noexcept {
    segment_count_ = 0;
    gather(*whole_);
    merged_.op = whole_->op;
    merged_.iter = {whole_->iter.start, whole_->iter.size_bytes, 0, 0};
    merged_.crypt = whole_->crypt;
    whole_ = &merged_;
}

void request::append(bio& b) noexcept {
    gather(b);
    parts_.push(b);
}

void request::prepend(bio& b) noexcept {
    const unsigned before = segment_count_;
    gather(b);
    std::rotate(segments_.begin(), segments_.begin() + before, segments_.begin() + segment_count_);
    parts_.push_front(b);
    merged_.iter.start = b.iter.start;
    merged_.crypt = b.crypt;
}

void request::gather(const bio& b) noexcept {
    for (bvec_iter at = b.iter; at.size_bytes != 0;) {
        const bio_vec segment = at.current(b.segments);
        segments_[segment_count_++] = segment;
        at.advance(b.segments, segment.length_bytes);
    }
}

// --- plug ---

plug::~plug() {
    assert(empty());
}

void plug::add(request& r) noexcept {
    r.next_ = nullptr;
    (oldest_ == nullptr ? oldest_ : newest_->next_) = &r;
    newest_ = &r;
    recent_count_ = std::min(recent_count_ + 1, recent_max);
    std::copy_backward(recent_.begin(), recent_.begin() + (recent_count_ - 1),
                       recent_.begin() + recent_count_);
    recent_[0] = &r;
    env_.add_due(1);
}

// What is on its way takes no more bios in.
void plug::forget(const request& leaving) noexcept {
    const auto end = recent_.begin() + recent_count_;
    const auto kept = std::remove(recent_.begin(), end, &leaving);
    recent_count_ = static_cast<unsigned>(kept - recent_.begin());
}

request* plug::take() noexcept {
    request* const first = oldest_;
    if (first == nullptr)
        return nullptr;
    oldest_ = first->next_;
    forget(*first);
    env_.remove_due(1);
    return first;
}

} // namespace blkcrypto
