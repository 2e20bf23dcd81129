// SPDX-License-Identifier: Apache-2.0
#pragma once
// What all strategies have in common whose transforms are software's: every mode, started once, and an
// account of the memory that transforms take.

#include "fsdemo/key_strategy.hpp"
#include "fsdemo/strategies/strategy_table.hpp"
#include "fsdemo/strategies/transform_memory.hpp"

#include <array>
#include <atomic>

namespace blkcrypto::fsdemo {

class software_strategy : public key_strategy {
  public:
    /// All modes, in any units: whether a mode has an implementation shows when it is started.
    const crypto_capabilities& capabilities() const noexcept final { return capabilities_; }
    bool is_started(const crypto_config& config) const noexcept final { return has_started(config.mode); }
    /// All of it pinned, as long as the strategy keeps its transforms.
    strategy_figures figures(env& e) const noexcept override;

  protected:
    explicit software_strategy(const strategy_options& options) noexcept;

    /// For start_using(), which the I/O path calls for every info that is made: `start()` once for each mode,
    /// again after an error. What it makes may be used without a lock once is_started().
    template <typename Start>
    std::error_code start_once(env& e, const crypto_config& config, Start start) {
        if (is_started(config))
            return {};
        const env_lock lock(e, starting_);
        if (is_started(config)) // by another thread, meanwhile
            return {};
        const std::error_code error = or_no_memory([&]() -> std::error_code { return start(); });
        if (!error)
            started_[mode_index(config.mode)].store(true, std::memory_order_release);
        return error;
    }

    /// For those that make nothing yet: ENOPKG for a mode that nobody has.
    std::error_code start_without_transforms(env& e, const crypto_config& config);

    bool has_started(crypto_mode mode) const noexcept {
        return started_[mode_index(mode)].load(std::memory_order_acquire);
    }
    transform_memory& memory() noexcept { return memory_; }
    const transform_memory& memory() const noexcept { return memory_; }

  private:
    const crypto_capabilities capabilities_;
    transform_memory memory_;
    mutex starting_;
    std::array<std::atomic<bool>, crypto_mode_count> started_{};
};

} // namespace blkcrypto::fsdemo
