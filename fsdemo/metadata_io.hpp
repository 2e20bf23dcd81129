// SPDX-License-Identifier: Apache-2.0
#pragma once
// Blocks of metadata to and from the device, one call at a time: each returns when it is done. On a queue of
// its own, so that waiting for metadata runs nobody else's end_io. Below fsdemo's tree, above the block
// layer.

#include "blkcrypto/block/block_device.hpp"
#include "fsdemo/format.hpp"

#include <memory>
#include <span>
#include <vector>

namespace blkcrypto::fsdemo {

/// A block and the memory it is written from.
struct block_write {
    block_number block;
    block_bytes_view from;
};

class metadata_io {
  public:
    /// Opens a queue of the device, which outlives it, as `e` does, which nothing else waits in. Errors of
    /// make_queue().
    static result<std::unique_ptr<metadata_io>> make(block_device& device, env& e);

    std::error_code read(block_number block, block_bytes_span into) noexcept;
    /// All of them, in any order; the first error.
    std::error_code write(std::span<const block_write> writes) noexcept;
    std::error_code flush() noexcept;
    /// On stable storage when it returns.
    std::error_code write_fua(const block_write& write) noexcept;

  private:
    static constexpr unsigned writes_at_once = 32;

    struct request final : bio_end_io {
        void end_io(bio&) noexcept override { is_done = true; }
        bio io;
        bio_vec segment;
        bool is_done = true;
    };

    explicit metadata_io(std::unique_ptr<block_queue> queue) noexcept : queue_(std::move(queue)) {}
    void start(request& r, bio_op op, block_number block, std::byte* memory) noexcept;
    std::error_code finish(request& r) noexcept;

    std::unique_ptr<block_queue> queue_;
    std::array<request, writes_at_once> requests_;
};

} // namespace blkcrypto::fsdemo
