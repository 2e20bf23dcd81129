// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory that reads are read into and sent from: small ones side by side in one chunk, none across two. What
// is freed together was used together, so a chunk goes round while it is in the processor's cache.

#include "blkcrypto/nbd/chunk_pool.hpp"

namespace blkcrypto::nbd {

class reply_memory {
  public:
    explicit reply_memory(chunk_pool& pool) noexcept : pool_(pool) {}
    ~reply_memory() { reset(); }
    reply_memory(const reply_memory&) = delete;
    reply_memory& operator=(const reply_memory&) = delete;

    struct run {
        std::byte* data = nullptr; // null: no chunk is free
        chunk* in = nullptr;       // to be dropped when the run is done with
    };

    /// `bytes`, at most chunk_bytes, at an address that is aligned to a page, or to 512 for less than that.
    run try_get(std::uint32_t bytes) noexcept;

    /// Lets go of the chunk that the next run would come from.
    void reset() noexcept;

  private:
    chunk_pool& pool_;
    chunk* current_ = nullptr;
    std::uint32_t used_bytes_ = 0; // of it
};

} // namespace blkcrypto::nbd
