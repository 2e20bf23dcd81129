// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory between two pages that nothing may touch: code that reads or writes one byte too far dies at once.
// Only one side can be exact, so a test uses both.

#include "blkcrypto/base/bytes.hpp"

namespace blkcrypto::test {

enum class guard_side { start, end };

class guarded_buffer {
  public:
    /// `size_bytes` whose first byte follows a guard page (start) or whose last byte is followed by one
    /// (end).
    guarded_buffer(std::size_t size_bytes, guard_side exact_side);
    ~guarded_buffer();
    guarded_buffer(const guarded_buffer&) = delete;
    guarded_buffer& operator=(const guarded_buffer&) = delete;

    bytes_span bytes() noexcept { return bytes_; }
    std::byte* data() noexcept { return bytes_.data(); }

  private:
    bytes_span mapping_; // guard pages included
    bytes_span bytes_;
};

} // namespace blkcrypto::test
