// SPDX-License-Identifier: Apache-2.0
#pragma once
// One block of a benchmark on its way: a read or write of one buffer, cut at the edges of key stripes into
// bios, ended when the last of them has ended. Made once and used again and again; nothing is allocated in
// between.

#include "bench/key_stripes.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"

#include <memory>
#include <optional>

namespace blkcrypto::bench {

/// A part of an image to be read or written at once.
struct image_block {
    std::uint64_t offset_bytes = 0;
    std::uint32_t length_bytes = 0;
};

/// An I/O that did not end well: the first one of a number of them.
struct io_failure {
    bio_op op = bio_op::read;
    std::uint64_t offset_bytes = 0;
    blk_status status = blk_status::ok;
};

/// How blocks become bios: the stripes, and the keys; `keys` is null on the plain path, whose bios are cut
/// the same way, so that all paths have the same ones.
struct block_layout {
    const key_stripes* stripes;
    const benchmark_keys* keys;
};

class block_io;

class block_observer {
  public:
    /// From the queue's poll(). May submit the block again.
    virtual void block_ended(block_io& ended) noexcept = 0;

  protected:
    ~block_observer() = default;
};

class block_io final : public bio_end_io {
  public:
    /// For blocks of up to the buffer's length.
    block_io(const block_layout& layout, bytes_span buffer, buffer_id registered, block_observer& told);

    void submit(submit_queue& queue, bio_op op, const image_block& block) noexcept;

    bytes_span buffer() const noexcept { return buffer_; }
    const image_block& block() const noexcept { return block_; }
    std::uint64_t submitted_ns = 0; // the observer's

    /// Of the last submit: the first piece that failed.
    const std::optional<io_failure>& failure() const noexcept { return failure_; }

    void end_io(bio& piece) noexcept override;

  private:
    struct piece_io {
        bio piece;
        bio_vec memory;
    };
    void prepare(piece_io& to, bio_op op, std::uint64_t offset_bytes, std::uint32_t length_bytes) noexcept;

    const block_layout layout_;
    const bytes_span buffer_;
    const buffer_id registered_;
    block_observer& told_;
    const std::unique_ptr<piece_io[]> pieces_;
    image_block block_;
    unsigned remaining_ = 0; // pieces not ended
    std::optional<io_failure> failure_;
};

} // namespace blkcrypto::bench
