// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a strategy's turn stands on: the image, the strategy and the fallback over it, or the inline engine
// for the one without transforms. All jobs share it; each has a mount of its own.

#include "bench/lab/lab_options.hpp"
#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/dev/image_device.hpp"
#include "fsdemo/crypto_door.hpp"

namespace blkcrypto::bench {

class lab_stack {
  public:
    /// `e`, of this thread, outlives it. program_error, exit code 1.
    lab_stack(const std::string& image, const fsdemo::strategy_info& strategy, const lab_options& options,
              env& e);

    const fsdemo::strategy_info& info() const noexcept { return info_; }
    /// For a job's mount.
    fsdemo::crypto_door door(env& e, env& metadata_env) noexcept {
        return {.environment = e,
                .device = inline_device_ ? *inline_device_ : *file_,
                .fallback = fallback_.get(),
                .metadata_environment = metadata_env,
                .strategy = strategy_,
                .info_bytes = &info_bytes_};
    }
    const image_io_choice& io() const noexcept { return file_->io(); }

    /// All 0 without a strategy.
    fsdemo::strategy_figures figures(env& e) const noexcept {
        return strategy_ != nullptr ? strategy_->figures(e) : fsdemo::strategy_figures{};
    }
    /// Of the infos of all mounts that there are.
    std::uint64_t info_bytes() const noexcept { return info_bytes_; }
    std::uint64_t engine_cpu_ns() const noexcept { return engine_pool_ ? engine_pool_->cpu_time_ns() : 0; }

  private:
    void put_engine(const engine_profile& engine, env& e);
    void put_strategy(const fsdemo::strategy_options& options, env& e);

    const fsdemo::strategy_info& info_;
    std::unique_ptr<worker_pool> engine_pool_;
    std::unique_ptr<image_device> file_;
    std::unique_ptr<block_device> inline_device_; // null but for inline-hardware
    std::unique_ptr<crypto_fallback> fallback_;   // null for it
    fsdemo::key_strategy* strategy_ = nullptr;    // the fallback's
    std::atomic<std::uint64_t> info_bytes_{0};
};

} // namespace blkcrypto::bench
