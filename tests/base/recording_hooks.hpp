// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hooks that write down what they are called with.

#include "blkcrypto/base/env.hpp"

#include <string>
#include <vector>

namespace blkcrypto {

struct recording_hooks final : env_hooks {
    std::vector<std::string> seen;
    bool refuse_allocations = false;
    std::uint64_t stamps = 0;

    void before_lock(mutex& m, io_context context) noexcept override { note_lock("lock ", m, context); }
    void after_unlock(mutex& m, io_context context) noexcept override { note_lock("unlock ", m, context); }
    void reached(hook_point point, const resource_class& what, io_context) noexcept override {
        seen.push_back("reached " + std::to_string(static_cast<int>(point)) + " of " + what.name);
    }
    bool allow_allocation(const allocation_class& kind, std::size_t bytes, io_context) noexcept override {
        seen.push_back("allocate " + std::to_string(bytes) + " of " + kind.name);
        return !refuse_allocations;
    }
    std::uint64_t order_stamp() noexcept override { return ++stamps; }

  private:
    void note_lock(const char* what, const mutex& m, io_context context) {
        seen.push_back(what + std::string(m.kind().name) + " in " +
                       std::to_string(static_cast<int>(context)));
    }
};

} // namespace blkcrypto
