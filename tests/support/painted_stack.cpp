// SPDX-License-Identifier: Apache-2.0
#include "tests/support/painted_stack.hpp"

#include "blkcrypto/base/secret.hpp"

#include <algorithm>
#include <cstdint>

namespace blkcrypto::test {

painted_stack::painted_stack() : stack_(std::make_unique_for_overwrite<std::byte[]>(stack_bytes)) {
    ::getcontext(&start_);
}

std::vector<std::byte> painted_stack::after(const std::function<void()>& body, std::size_t shift_bytes) {
    body_ = &body;
    std::fill_n(stack_.get(), stack_bytes, paint);
    ucontext_t here;
    ucontext_t there = start_;
    there.uc_stack.ss_sp = stack_.get();
    there.uc_stack.ss_size = stack_bytes - shift_bytes;
    there.uc_link = &here;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    ::makecontext(&there, reinterpret_cast<void (*)()>(&trampoline), 2, static_cast<unsigned>(self >> 32),
                  static_cast<unsigned>(self));
    ::swapcontext(&here, &there);
    return {stack_.get(), stack_.get() + stack_bytes};
}

// makecontext() passes ints only. The gap is for the way back, which is not to overwrite what is looked for.
void painted_stack::trampoline(unsigned high, unsigned low) {
    std::byte gap[1024];
    asm volatile("" ::"r"(gap) : "memory");
    auto* self = reinterpret_cast<painted_stack*>((std::uintptr_t{high} << 32) | low);
    wipe_vector_registers();
    (*self->body_)();
    asm volatile("" ::"r"(gap) : "memory");
}

} // namespace blkcrypto::test
