// SPDX-License-Identifier: Apache-2.0
#pragma once
// Looks through all writable memory of this process for bytes that should be gone. What is looked for must
// not lie about itself, so it is kept masked; the caller zeroizes every copy of its own.

#include "blkcrypto/base/bytes.hpp"

#include <vector>

namespace blkcrypto::test {

#ifdef __OPTIMIZE__
inline constexpr bool is_optimised = true;
#else
inline constexpr bool is_optimised = false; // compilers keep copies of values on the stack
#endif

/// A byte string to look for, of which this object holds no readable copy.
class masked_pattern {
  public:
    explicit masked_pattern(bytes_view bytes);

    /// True if it starts at `memory`, which has at least size_bytes() bytes.
    bool matches(const std::byte* memory) const noexcept;
    std::size_t size_bytes() const noexcept { return masked_.size(); }
    std::byte first() const noexcept { return masked_.front() ^ mask; }
    /// Writes the readable bytes; the caller zeroizes them.
    void reveal(bytes_span into) const noexcept;

  private:
    static constexpr std::byte mask{0xa5};
    std::vector<std::byte> masked_;
};

/// One pattern for each 16 bytes of `bytes`: what is left of a key may be a part of it.
std::vector<masked_pattern> masked_pieces(bytes_view bytes);

/// How often one of the patterns occurs in memory that is mapped readable and writable. The process must be
/// quiet: other threads may change what is read.
std::size_t count_in_memory(const std::vector<masked_pattern>& patterns);

} // namespace blkcrypto::test
