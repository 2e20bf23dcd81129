// SPDX-License-Identifier: Apache-2.0
#pragma once
// When bios may become one request, and what that request then is: the rules of block/blk-merge.c as far as
// they concern plain and encrypted reads and writes.

#include "blkcrypto/block/bio.hpp"

namespace blkcrypto {

/// bio_crypt_ctx_compatible(): both plain, or both with the same key, that is, the same address.
bool crypt_ctx_compatible(const bio_crypt_ctx& a, const bio_crypt_ctx& b) noexcept;

/// bio_crypt_ctx_mergeable(): compatible, and `b` goes on with the DUN that follows `a_bytes` of `a`.
bool crypt_ctx_mergeable(const bio_crypt_ctx& a, std::uint64_t a_bytes, const bio_crypt_ctx& b) noexcept;

/// What a run of bios would be as one request. It holds no bios and no memory: whoever merges keeps those.
class merged_run {
  public:
    explicit merged_run(const bio& first) noexcept;

    /// Back merge: `next` follows on the device and in DUNs; the run keeps its context. False, and nothing
    /// changes, unless the operations are the same, are reads or writes of data, neither asks for a flush or
    /// fua (REQ_NOMERGE_FLAGS), and the whole fits a bio.
    bool append(const bio& next) noexcept { return append(merged_run(next)); }
    /// Front merge: `previous` comes before; the run adopts its place and its DUN.
    bool prepend(const bio& previous) noexcept;
    /// The merge of two requests.
    bool append(const merged_run& next) noexcept;

    sector start() const noexcept { return start_; }
    std::uint32_t size_bytes() const noexcept { return size_bytes_; }
    const bio_crypt_ctx& crypt() const noexcept { return crypt_; }

  private:
    bool goes_on_with(const merged_run& next) const noexcept;

    bio_op op_;
    bool is_mergeable_; // not if it asks for more than its data to be moved
    sector start_;
    std::uint32_t size_bytes_;
    bio_crypt_ctx crypt_;
};

} // namespace blkcrypto
