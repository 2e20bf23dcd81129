// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device together with the lower devices it stands on, for tests that want a stack as one thing.

#include "blkcrypto/block/block_device.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace blkcrypto::test {

using device_list = std::vector<std::unique_ptr<block_device>>;

class owning_device final : public block_device {
  public:
    owning_device(device_list lowers, std::unique_ptr<block_device> top)
        : lowers_(std::move(lowers)), top_(std::move(top)) {}

    const queue_limits& limits() const noexcept override { return top_->limits(); }
    sector capacity() const noexcept override { return top_->capacity(); }
    crypto_profile* profile() noexcept override { return top_->profile(); }
    const crypto_capabilities* native_crypto() const noexcept override { return top_->native_crypto(); }
    std::string describe() const override { return top_->describe(); }
    result<std::unique_ptr<block_queue>> make_queue(env& e, const queue_options& options) override {
        return top_->make_queue(e, options);
    }

  private:
    device_list lowers_; // outlive what stands on them
    std::unique_ptr<block_device> top_;
};

} // namespace blkcrypto::test
