// SPDX-License-Identifier: Apache-2.0
#pragma once
// crypto_alloc_skcipher(), as far as whom it waits for goes: the lock under which algorithms are looked up
// (crypto_alg_sem), memory that is allocated under that lock and after it, and the module that may have to be
// loaded first.

#include "blkcrypto/base/mutex.hpp"
#include "fsdemo/strategies/transform_memory.hpp"

namespace blkcrypto::fsdemo {

/// What GFP_KERNEL names, whatever the code around it gives to its own allocations: the block layer passes
/// GFP_NOIO from hand to hand, it does not open a scope that binds those it calls. A scope opened inside
/// binds.
class gfp_kernel_scope {
  public:
    explicit gfp_kernel_scope(env& e) noexcept : env_(e), saved_(e.replace_context(io_context::kernel)) {}
    ~gfp_kernel_scope() { env_.replace_context(saved_); }
    gfp_kernel_scope(const gfp_kernel_scope&) = delete;
    gfp_kernel_scope& operator=(const gfp_kernel_scope&) = delete;

  private:
    env& env_;
    const io_context saved_;
};

class crypto_api {
  public:
    explicit crypto_api(transform_memory& memory);

    /// In whatever context the env is. The mode's module is there. ENOPKG, ENOMEM.
    result<std::unique_ptr<skcipher>> allocate(env& e, crypto_mode mode);
    result<std::unique_ptr<skcipher>> allocate_in_io(env& e, crypto_mode mode);

  private:
    std::error_code look_up(env& e, crypto_mode mode);

    transform_memory& memory_;
    mutex alg_sem_;
    std::array<bool, crypto_mode_count> is_known_ BLKCRYPTO_GUARDED_BY(alg_sem_){}; // instantiated before
};

} // namespace blkcrypto::fsdemo
