// SPDX-License-Identifier: Apache-2.0
#pragma once
// Transforms that are made in the I/O path by crypto_alloc_skcipher(): what full-in-io and nofs-in-io are,
// and what all-at-open does for an extent that did not exist at open.

#include "fsdemo/strategies/crypto_api.hpp"
#include "fsdemo/strategies/extent_transforms.hpp"

namespace blkcrypto::fsdemo {

class in_io : public extent_transforms {
  public:
    /// `scope`: the memalloc scope around the allocation; `kernel`: none.
    in_io(io_context scope, const strategy_options& options)
        : extent_transforms(options), scope_(scope), api_(memory()) {}

    strategy_traits traits() const noexcept override { return {.modules = module_use::in_io}; }
    std::error_code start_using(env& e, const crypto_config& config) override;

  protected:
    making make(const extent_crypt_info& extent, acquire_context& asker) noexcept override;
    crypto_api& api() noexcept { return api_; }

  private:
    const io_context scope_;
    crypto_api api_;
};

result<std::unique_ptr<key_strategy>> make_in_io(io_context scope, const strategy_options& options);

} // namespace blkcrypto::fsdemo
