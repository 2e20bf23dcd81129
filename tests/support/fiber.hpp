// SPDX-License-Identifier: Apache-2.0
#pragma once
// A stack to run a function on, and the switch from one to another. Switching makes no system call: a search
// switches millions of times. Known to AddressSanitizer; ThreadSanitizer does not follow (see
// fibers_can_run).

#include <csetjmp>
#include <cstddef>
#include <memory>
#include <ucontext.h>

#if defined(__has_feature)
#define BLKCRYPTO_HAS_FEATURE(x) __has_feature(x)
#else
#define BLKCRYPTO_HAS_FEATURE(x) 0
#endif

namespace blkcrypto::test {

#if defined(__SANITIZE_THREAD__) || BLKCRYPTO_HAS_FEATURE(thread_sanitizer)
inline constexpr bool fibers_can_run = false;
#else
inline constexpr bool fibers_can_run = true;
#endif

#if defined(__SANITIZE_ADDRESS__) || BLKCRYPTO_HAS_FEATURE(address_sanitizer)
#define BLKCRYPTO_FIBERS_TELL_ASAN 1
#else
#define BLKCRYPTO_FIBERS_TELL_ASAN 0
#endif

class fiber {
  public:
    using function = void (*)(void* argument);

    /// The stack that the caller is on already.
    fiber() = default;

    /// `body` does not return: it switches to another fiber and is never resumed.
    fiber(function body, void* argument);

    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;

    /// Goes on where this fiber stopped, or at the start of its body. The caller is on `from`.
    void resume(fiber& from) noexcept;

    /// The next resume() is at the start of the body. What was on the stack is abandoned, not destroyed.
    void rewind() noexcept;

  private:
    static void trampoline(unsigned high, unsigned low);
    void make_context() noexcept;
    void arrived() noexcept;

    function body_ = nullptr;
    void* argument_ = nullptr;
    std::unique_ptr<std::byte[]> stack_;
    ucontext_t context_{};
#if BLKCRYPTO_FIBERS_TELL_ASAN
    const void* stack_bottom_ = nullptr; // of the thread's own stack: known once it was left
    std::size_t stack_size_ = 0;
    void* fake_stack_ = nullptr;
    fiber* came_from_ = nullptr;
#else
    bool is_started_ = false;
    std::jmp_buf start_{}; // in the trampoline, before the body
    std::jmp_buf here_{};
#endif
};

} // namespace blkcrypto::test
