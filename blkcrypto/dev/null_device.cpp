// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/null_device.hpp"

namespace blkcrypto {
namespace {

class null_queue final : public block_queue {
  public:
    null_queue(const block_device& device, env& environment, const queue_options& options) noexcept
        : block_queue(device, environment, options) {}

  private:
    void do_submit(bio& b) noexcept override { complete(b, blk_status::ok); }
    void do_poll() noexcept override {}
};

class null_device final : public block_device {
  public:
    explicit null_device(sector capacity) noexcept : capacity_(capacity) {}

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return capacity_; }
    std::string describe() const override { return "null"; }

    result<std::unique_ptr<block_queue>> make_queue(env& environment, const queue_options& options) override {
        return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
            return std::make_unique<null_queue>(*this, environment, options);
        });
    }

  private:
    const queue_limits limits_;
    const sector capacity_;
};

} // namespace

std::unique_ptr<block_device> make_null_device(sector capacity) {
    return std::make_unique<null_device>(capacity);
}

} // namespace blkcrypto
