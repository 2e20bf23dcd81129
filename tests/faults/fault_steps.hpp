// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers every place where a run can fail, in the order it comes to them, and lets one of them fail. A run
// under a simulated_env and a seed comes to the same places each time, so a run that lets none fail says how
// many runs it takes to see each failure once.

#include "blkcrypto/base/env.hpp"
#include "blkcrypto/cipher/skcipher.hpp"
#include "tests/support/simulated_device.hpp"

#include <optional>
#include <string_view>

namespace blkcrypto::test {

enum class fault_kind : std::uint8_t {
    allocation,       // of memory, at set-up
    self_test,        // of a cipher
    tfm,              // acquiring one
    program,          // deriving the key for a slot or a tfm
    device_operation, // one that reaches the device and does nothing, or a part of it
    completion,       // of an operation that was carried out
};
inline constexpr std::size_t fault_kind_count = 6;
std::string_view to_string(fault_kind kind);

/// What a source bio ends with when a fault of this kind happens to it.
blk_status status_of(fault_kind kind);

class fault_steps final : public env_hooks, public device_faults {
  public:
    static constexpr std::size_t none = SIZE_MAX;

    /// Step number `failing` fails, from 0. While it lives it decides about self-tests.
    explicit fault_steps(std::size_t failing);
    ~fault_steps();

    /// The next step. True once, or never.
    bool fails(fault_kind kind) noexcept;

    /// After a self-test that failed: the next set-up asks again.
    void select_ciphers_anew() noexcept;

    std::size_t count() const noexcept { return count_; }
    std::optional<fault_kind> failed() const noexcept { return failed_; }

    bool allow_allocation(const allocation_class&, std::size_t, io_context) noexcept override {
        return !fails(fault_kind::allocation);
    }
    std::uint64_t order_stamp() noexcept override { return ++stamps_; }
    std::optional<device_fault> fault_of(const bio& b) noexcept override;

  private:
    const std::size_t failing_;
    std::size_t count_ = 0;
    std::optional<fault_kind> failed_;
    std::uint64_t stamps_ = 0;
};

} // namespace blkcrypto::test
