// SPDX-License-Identifier: Apache-2.0
#pragma once
// Replies on their way out, in the order in which their requests ended, and how much of the first has been
// sent. What they are made of stays their owner's.

#include "blkcrypto/block/bio.hpp"
#include "blkcrypto/nbd/export_info.hpp"

#include <array>

namespace blkcrypto::nbd {

/// A run of a reply's data.
struct reply_part {
    bio_vec memory;
    reply_part* next = nullptr;
};

/// A head, and data in some runs of memory.
struct reply {
    std::array<std::byte, 32> head;
    std::uint32_t head_bytes = 0;
    std::uint64_t bytes = 0; // with the data
    reply_part* data = nullptr;
    reply* next = nullptr; // in a reply_queue

    /// Writes the head, for the data that is there. `error` is one of the protocol's, or 0; with one there is
    /// no data.
    void encode_head(const request_header& answers, std::uint32_t error, const negotiated& agreed) noexcept;
};

class reply_queue {
  public:
    bool empty() const noexcept { return first_ == nullptr; }
    void push(reply& r) noexcept {
        r.next = nullptr;
        *end_ = &r;
        end_ = &r.next;
    }
    reply* pop() noexcept;

    /// What is to be sent next, as much as one system call takes. Valid until pop() or sent().
    std::span<const bytes_view> output() noexcept;

    /// `bytes` of that have been. Takes out, one each call, replies that have been sent whole; null: no more.
    void sent(std::size_t bytes) noexcept { sent_bytes_ += bytes; }
    reply* pop_sent() noexcept;

  private:
    reply* first_ = nullptr;
    reply** end_ = &first_;
    std::uint64_t sent_bytes_ = 0; // of the first one, or more
    std::array<bytes_view, 64> output_;
};

} // namespace blkcrypto::nbd
