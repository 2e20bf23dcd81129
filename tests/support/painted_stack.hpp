// SPDX-License-Identifier: Apache-2.0
#pragma once
// A stack whose bytes are known before something runs on it: what is left there afterwards can be looked at.

#include "blkcrypto/base/bytes.hpp"
#include "tests/support/fiber.hpp" // which sanitizers there are

#include <functional>
#include <memory>
#include <ucontext.h>
#include <vector>

namespace blkcrypto::test {

class painted_stack {
  public:
    static constexpr std::byte paint{0xa5};
    /// Sanitizers keep values of their own beside and between those of the program.
    static constexpr bool can_tell = fibers_can_run && BLKCRYPTO_FIBERS_TELL_ASAN == 0;

    painted_stack();

    /// What `body` leaves on the stack, all of which is painted before. Frames begin `shift_bytes` lower, a
    /// multiple of 16: a function that aligns its frame needs more or less for that. Two runs of one body
    /// begin with the same registers.
    std::vector<std::byte> after(const std::function<void()>& body, std::size_t shift_bytes = 0);

  private:
    static constexpr std::size_t stack_bytes = 64 << 10;

    static void trampoline(unsigned high, unsigned low);

    std::unique_ptr<std::byte[]> stack_;
    ucontext_t start_{}; // always the same
    const std::function<void()>* body_ = nullptr;
};

} // namespace blkcrypto::test
