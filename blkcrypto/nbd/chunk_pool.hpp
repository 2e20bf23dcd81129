// SPDX-License-Identifier: Apache-2.0
#pragma once
// The memory of a connection: chunks of one size, shared by what lies in them - requests that arrived
// together, replies that leave together - and free again when the last of these lets go. Address space is
// taken once; pages when a chunk is first used, given back by trim(). One thread.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/result.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace blkcrypto::nbd {

/// The requests and replies up to 256 KiB that clients like, and a header.
inline constexpr std::uint32_t chunk_bytes = 260 << 10;

struct chunk {
    std::byte* data = nullptr; // of chunk_bytes, at a page
    unsigned holders = 0;
};

class chunk_pool {
  public:
    /// ENOMEM.
    static result<std::unique_ptr<chunk_pool>> make(unsigned count);
    ~chunk_pool();
    chunk_pool(const chunk_pool&) = delete;
    chunk_pool& operator=(const chunk_pool&) = delete;

    /// With one holder, the caller; the one used last, whose memory is warm. Null when all are out.
    chunk* try_get() noexcept;
    void drop(chunk& held) noexcept;

    std::size_t available() const noexcept { return free_.size(); }
    /// Chunks that may have pages.
    std::size_t used() const noexcept { return used_end_; }
    bool is_whole() const noexcept { return free_.size() == chunks_.size(); }

    /// With all chunks there: gives the memory of all but `kept` back to the system, if it has been used.
    void trim(std::size_t kept) noexcept;

  private:
    chunk_pool() = default;

    bytes_span memory_;
    std::vector<chunk> chunks_;
    std::vector<chunk*> free_; // first to be used last
    std::size_t used_end_ = 0; // chunks from here on have no pages
};

} // namespace blkcrypto::nbd
