// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fiber.hpp"

#include <cstdint>
#if BLKCRYPTO_FIBERS_TELL_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace blkcrypto::test {
namespace {

constexpr std::size_t stack_bytes = BLKCRYPTO_FIBERS_TELL_ASAN ? 256 << 10 : 64 << 10;

} // namespace

fiber::fiber(function body, void* argument)
    : body_(body), argument_(argument), stack_(std::make_unique_for_overwrite<std::byte[]>(stack_bytes)) {
    make_context();
}

// makecontext() passes ints only.
void fiber::make_context() noexcept {
    ::getcontext(&context_);
    context_.uc_stack.ss_sp = stack_.get();
    context_.uc_stack.ss_size = stack_bytes;
    context_.uc_link = nullptr;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    ::makecontext(&context_, reinterpret_cast<void (*)()>(&trampoline), 2, static_cast<unsigned>(self >> 32),
                  static_cast<unsigned>(self));
}

#if BLKCRYPTO_FIBERS_TELL_ASAN

void fiber::trampoline(unsigned high, unsigned low) {
    auto* self = reinterpret_cast<fiber*>((std::uintptr_t{high} << 32) | low);
    self->arrived();
    self->body_(self->argument_);
}

void fiber::arrived() noexcept {
    __sanitizer_finish_switch_fiber(fake_stack_, &came_from_->stack_bottom_, &came_from_->stack_size_);
}

void fiber::resume(fiber& from) noexcept {
    came_from_ = &from;
    const void* bottom = stack_ ? stack_.get() : stack_bottom_;
    __sanitizer_start_switch_fiber(&from.fake_stack_, bottom, stack_ ? stack_bytes : stack_size_);
    ::swapcontext(&from.context_, &context_);
    from.arrived();
}

void fiber::rewind() noexcept {
    __asan_unpoison_memory_region(stack_.get(), stack_bytes);
    fake_stack_ = nullptr;
    make_context();
}

#else

void fiber::trampoline(unsigned high, unsigned low) {
    auto* self = reinterpret_cast<fiber*>((std::uintptr_t{high} << 32) | low);
    // rewind() comes back here: this frame stays on the stack below whatever the body left there.
    (void)_setjmp(self->start_);
    self->body_(self->argument_);
}

void fiber::arrived() noexcept {}

void fiber::resume(fiber& from) noexcept {
    if (_setjmp(from.here_) != 0)
        return;
    if (stack_ && !is_started_) {
        is_started_ = true;
        ::setcontext(&context_);
    }
    std::longjmp(here_, 1);
}

void fiber::rewind() noexcept {
    if (is_started_)
        __builtin_memcpy(here_, start_, sizeof(here_));
}

#endif

} // namespace blkcrypto::test
