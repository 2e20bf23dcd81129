// SPDX-License-Identifier: Apache-2.0
#pragma once
// A fixed number of objects made up front, for one thread: a queue's jobs and encrypted bios. try_get() gives
// null when all are out; the caller then parks what it was doing and goes on when one is put back. Nothing is
// allocated after construction, and nothing is destroyed before the pool is.

#include <cassert>
#include <cstddef>
#include <memory>
#include <vector>

namespace blkcrypto {

template <typename T>
class mempool {
  public:
    /// `count` objects, each made as T(arguments...).
    template <typename... Arguments>
    explicit mempool(std::size_t count, Arguments&... arguments) {
        objects_.reserve(count);
        free_.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            objects_.push_back(std::make_unique<T>(arguments...));
            free_.push_back(objects_.back().get());
        }
    }

    T* try_get() noexcept {
        if (free_.empty())
            return nullptr;
        T* object = free_.back();
        free_.pop_back();
        return object;
    }

    void put(T& object) noexcept {
        assert(free_.size() < objects_.size());
        free_.push_back(&object);
    }

    std::size_t available() const noexcept { return free_.size(); }
    bool is_whole() const noexcept { return free_.size() == objects_.size(); }

  private:
    std::vector<std::unique_ptr<T>> objects_;
    std::vector<T*> free_; // the most recently used object is last: its memory is warm
};

} // namespace blkcrypto
