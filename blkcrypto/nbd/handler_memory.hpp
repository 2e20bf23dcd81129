// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory for one Asio operation at a time, kept by whoever starts the same kind of operation again and again:
// then none of them allocates.

#include <array>
#include <boost/asio/bind_allocator.hpp>
#include <cstddef>
#include <new>
#include <utility>

namespace blkcrypto::nbd {

class handler_memory {
  public:
    handler_memory() = default;
    handler_memory(const handler_memory&) = delete;
    handler_memory& operator=(const handler_memory&) = delete;

    void* allocate(std::size_t bytes) {
        if (is_taken_ || bytes > memory_.size())
            return ::operator new(bytes);
        is_taken_ = true;
        return memory_.data();
    }
    void deallocate(void* memory) noexcept {
        if (memory == memory_.data())
            is_taken_ = false;
        else
            ::operator delete(memory);
    }

  private:
    alignas(std::max_align_t) std::array<std::byte, 512> memory_;
    bool is_taken_ = false;
};

template <typename T>
class handler_allocator {
  public:
    using value_type = T;

    explicit handler_allocator(handler_memory& memory) noexcept : memory_(&memory) {}
    template <typename U>
    handler_allocator(const handler_allocator<U>& other) noexcept : memory_(&other.memory()) {}

    T* allocate(std::size_t count) { return static_cast<T*>(memory_->allocate(count * sizeof(T))); }
    void deallocate(T* object, std::size_t) noexcept { memory_->deallocate(object); }

    handler_memory& memory() const noexcept { return *memory_; }
    template <typename U>
    bool operator==(const handler_allocator<U>& other) const noexcept {
        return memory_ == &other.memory();
    }

  private:
    handler_memory* memory_;
};

/// A handler whose operation lives in `memory`, which outlives it.
template <typename Handler>
auto in_memory(handler_memory& memory, Handler&& handler) {
    return boost::asio::bind_allocator(handler_allocator<std::byte>(memory), std::forward<Handler>(handler));
}

} // namespace blkcrypto::nbd
