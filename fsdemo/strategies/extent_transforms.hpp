// SPDX-License-Identifier: Apache-2.0
#pragma once
// What those strategies have in common that give every extent a transform of its own, for as long as its info
// lives. They differ in when and how they make one.

#include "fsdemo/strategies/key_setup.hpp"
#include "fsdemo/strategies/software_strategy.hpp"

namespace blkcrypto::fsdemo {

class extent_transforms : public software_strategy {
  public:
    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept final;
    void release(env&, const tfm_lease&) noexcept final {}
    std::error_code evict(env& e, const key_request& key) noexcept final;
    strategy_figures figures(env& e) const noexcept override;

  protected:
    using software_strategy::software_strategy;

    /// What make() has to say.
    struct making {
        acquire_outcome outcome;
        skcipher* transform = nullptr;      // if ready: unkeyed
        blk_status status = blk_status::ok; // if failed
    };
    /// A transform for the extent, in the I/O path.
    virtual making make(const extent_crypt_info& extent, acquire_context& asker) noexcept = 0;
    /// Takes back what make() made.
    virtual void unmake(const extent_crypt_info& extent, skcipher& transform) noexcept;

    /// Null: it has none.
    static skcipher* transform_of(const extent_crypt_info& extent) noexcept {
        return static_cast<skcipher*>(extent.of_strategy);
    }
    /// The transform becomes the extent's, keyed; or nobody's, if it refuses the key.
    std::error_code give(const extent_crypt_info& extent, skcipher& transform, env& e,
                         bio_stamps* stamps = nullptr) noexcept;
    static making made(result<std::unique_ptr<skcipher>>&& transform) noexcept;
};

} // namespace blkcrypto::fsdemo
