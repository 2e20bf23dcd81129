// SPDX-License-Identifier: Apache-2.0
#pragma once
// Counts heap allocations of the whole process: malloc() and its relatives are replaced in every test
// program, and operator new ends up in them. Not under sanitizers, which bring a heap of their own: ask
// available() first.

#include <cstdint>

namespace blkcrypto::test {

class allocation_counter {
  public:
    static bool available() noexcept;

    /// Counts from now on.
    allocation_counter() noexcept : before_(total()) {}
    /// Allocations by any thread since this was made.
    std::uint64_t count() const noexcept { return total() - before_; }

  private:
    static std::uint64_t total() noexcept;
    std::uint64_t before_;
};

} // namespace blkcrypto::test
