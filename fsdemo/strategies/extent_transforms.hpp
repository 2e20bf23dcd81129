// SPDX-License-Identifier: Apache-2.0
#pragma once
// What those strategies have in common that give every extent a transform of its own, for as long as its info
// lives. They differ in when and how they make one.

#include "fsdemo/strategies/key_setup.hpp"
#include "fsdemo/strategies/transform_memory.hpp"

namespace blkcrypto::fsdemo {

class extent_transforms : public key_strategy {
  public:
    const crypto_capabilities& capabilities() const noexcept final { return capabilities_; }
    bool is_started(const crypto_config& config) const noexcept final {
        return started_.contains(config.mode);
    }
    tfm_grant acquire(const key_request& key, acquire_context& asker) noexcept final;
    void release(env&, const tfm_lease&) noexcept final {}
    std::error_code evict(env& e, const key_request& key) noexcept final;
    strategy_figures figures(env& e) const noexcept override;

  protected:
    extent_transforms(std::uint64_t limit_bytes, unsigned lanes) noexcept
        : capabilities_(software_capabilities()), memory_(limit_bytes, lanes) {}

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
    void set_started(const crypto_config& config) noexcept { started_.add(config.mode); }
    transform_memory& memory() noexcept { return memory_; }
    const transform_memory& memory() const noexcept { return memory_; }

    static making made(result<std::unique_ptr<skcipher>>&& transform) noexcept;

  private:
    const crypto_capabilities capabilities_;
    transform_memory memory_;
    started_modes started_;
};

} // namespace blkcrypto::fsdemo
