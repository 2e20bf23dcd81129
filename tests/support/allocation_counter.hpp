// SPDX-License-Identifier: Apache-2.0
#pragma once
// Counts heap allocations of the whole process, and lets one of them fail: malloc() and its relatives are
// replaced in every test program, and operator new ends up in them. Not under sanitizers, which bring a heap
// of their own: ask available() first.

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

/// While it lives, the allocation number `failing` from its making on, counted from 0, fails, whichever
/// thread makes it.
class allocation_fault {
  public:
    explicit allocation_fault(std::uint64_t failing) noexcept;
    ~allocation_fault();
    allocation_fault(const allocation_fault&) = delete;
    allocation_fault& operator=(const allocation_fault&) = delete;

    /// It came to that.
    bool happened() const noexcept;
};

} // namespace blkcrypto::test
