// SPDX-License-Identifier: Apache-2.0
#pragma once
// The memory that the blocks of one thread are read into and written from: one region, page-aligned, one
// buffer for each block in flight.

#include "blkcrypto/base/bytes.hpp"

#include <cstdlib>
#include <memory>
#include <new>

namespace blkcrypto::bench {

class io_buffers {
  public:
    static constexpr std::size_t alignment_bytes = 4096;

    /// Throws std::bad_alloc.
    io_buffers(std::size_t count, std::size_t buffer_bytes)
        : buffer_bytes_(buffer_bytes), stride_bytes_(stride_of(buffer_bytes)),
          size_bytes_(count * stride_bytes_),
          memory_(static_cast<std::byte*>(std::aligned_alloc(alignment_bytes, size_bytes_))) {
        if (memory_ == nullptr)
            throw std::bad_alloc();
    }

    bytes_span all() const noexcept { return {memory_.get(), size_bytes_}; }
    bytes_span operator[](std::size_t index) const noexcept {
        return all().subspan(index * stride_bytes_, buffer_bytes_);
    }

    /// What one buffer takes.
    static constexpr std::size_t stride_of(std::size_t buffer_bytes) {
        return (buffer_bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
    }

  private:
    struct release {
        void operator()(std::byte* memory) const noexcept { std::free(memory); }
    };
    std::size_t buffer_bytes_;
    std::size_t stride_bytes_;
    std::size_t size_bytes_;
    std::unique_ptr<std::byte, release> memory_;
};

} // namespace blkcrypto::bench
