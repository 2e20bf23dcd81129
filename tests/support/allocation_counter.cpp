// SPDX-License-Identifier: Apache-2.0
#include "tests/support/allocation_counter.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BLKCRYPTO_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BLKCRYPTO_SANITIZED 1
#endif

namespace {

constexpr std::uint64_t never = UINT64_MAX;

std::atomic<std::uint64_t> allocations{0};
std::atomic<std::uint64_t> failing{never}; // the allocation that fails

[[maybe_unused]] bool is_allowed() noexcept {
    return allocations.fetch_add(1, std::memory_order_relaxed) != failing.load(std::memory_order_relaxed);
}

} // namespace

#ifndef BLKCRYPTO_SANITIZED

extern "C" {
// glibc's own heap, under the names it keeps for programs that replace malloc().
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    return is_allowed() ? __libc_malloc(size) : nullptr;
}

void* calloc(std::size_t count, std::size_t size) {
    return is_allowed() ? __libc_calloc(count, size) : nullptr;
}

void* realloc(void* old, std::size_t size) {
    return is_allowed() ? __libc_realloc(old, size) : nullptr;
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    return is_allowed() ? __libc_memalign(alignment, size) : nullptr;
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    *memory = is_allowed() ? __libc_memalign(alignment, size) : nullptr;
    return *memory == nullptr ? ENOMEM : 0;
}
}

bool blkcrypto::test::allocation_counter::available() noexcept {
    return true;
}

#else

bool blkcrypto::test::allocation_counter::available() noexcept {
    return false;
}

#endif

std::uint64_t blkcrypto::test::allocation_counter::total() noexcept {
    return allocations.load(std::memory_order_relaxed);
}

blkcrypto::test::allocation_fault::allocation_fault(std::uint64_t number) noexcept {
    failing.store(allocations.load() + number);
}

blkcrypto::test::allocation_fault::~allocation_fault() {
    failing.store(never);
}

bool blkcrypto::test::allocation_fault::happened() const noexcept {
    return allocations.load() > failing.load();
}
