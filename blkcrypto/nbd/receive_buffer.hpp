// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a connection receives: a stream of requests and payloads that arrives in chunks. Payloads stay where
// they have arrived until they have been written to the disk, so what is done with is not moved out of the
// way: the stream goes on in another chunk. All that is ever copied is the beginning of something that does
// not fit the rest of a chunk.

#include "blkcrypto/nbd/chunk_pool.hpp"

namespace blkcrypto::nbd {

class receive_buffer {
  public:
    explicit receive_buffer(chunk_pool& pool) noexcept : pool_(pool) {}
    ~receive_buffer() { reset(); }
    receive_buffer(const receive_buffer&) = delete;
    receive_buffer& operator=(const receive_buffer&) = delete;

    /// Received and not taken.
    bytes_span unread() const noexcept {
        return current_ == nullptr ? bytes_span() : bytes_span(current_->data + begin_, end_ - begin_);
    }

    /// The next `bytes` of unread() have been seen to.
    void take(std::size_t bytes) noexcept { begin_ += static_cast<std::uint32_t>(bytes); }

    /// The chunk that unread() is in, for one who goes on using what has been taken, and drops it then.
    chunk& hold() noexcept {
        ++current_->holders;
        return *current_;
    }

    /// Nothing more can be received behind unread() before something is taken or turned over.
    bool is_full() const noexcept { return current_ != nullptr && end_ == chunk_bytes; }

    /// How long unread() can become before it is turned over. Something has been received.
    std::size_t room() const noexcept { return chunk_bytes - begin_; }

    /// Goes on in a chunk that unread() is the beginning of. False if there is none.
    bool turn_over() noexcept;

    /// Where the next bytes are to be received; empty if there is no chunk. `first_bytes`: of the stream from
    /// unread() on, how much belongs to something begun. What follows is probably pieces of `each_bytes`, at
    /// most chunk_bytes and more than unread() then is: the space ends with one of them, so that the next one
    /// begins a chunk.
    bytes_span space(std::uint32_t first_bytes, std::uint32_t each_bytes) noexcept;
    void received(std::size_t bytes) noexcept { end_ += static_cast<std::uint32_t>(bytes); }

    /// Forgets what is unread and lets go of the chunk.
    void reset() noexcept;

  private:
    std::uint32_t offer(std::uint32_t first_bytes, std::uint32_t each_bytes) const noexcept;

    chunk_pool& pool_;
    chunk* current_ = nullptr;
    std::uint32_t begin_ = 0; // of what is unread
    std::uint32_t end_ = 0;   // of what has been received
};

} // namespace blkcrypto::nbd
