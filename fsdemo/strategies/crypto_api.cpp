// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/strategies/crypto_api.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class alg_sem_class{"crypto_alg_sem"};
constexpr allocation_class instance_allocation{"crypto_instance"};
constexpr std::size_t instance_bytes = 1024; // of a template's instance, about

} // namespace

crypto_api::crypto_api(transform_memory& memory) : memory_(memory), alg_sem_(alg_sem_class) {}

// The first use of a mode makes an instance of its template and registers it, which allocates under the lock.
std::error_code crypto_api::look_up(env& e, crypto_mode mode) {
    const env_lock lock(e, alg_sem_);
    bool& is_known = is_known_[mode_index(mode)];
    if (!is_known && !e.allow_allocation(instance_allocation, instance_bytes))
        return make_error(ENOMEM);
    is_known = true;
    return {};
}

result<std::unique_ptr<skcipher>> crypto_api::allocate(env& e, crypto_mode mode) {
    if (const std::error_code error = look_up(e, mode))
        return error;
    return memory_.allocate(e, mode);
}

result<std::unique_ptr<skcipher>> crypto_api::allocate_in_io(env& e, crypto_mode mode) {
    if (const std::error_code error = look_up(e, mode))
        return error;
    return memory_.allocate_in_io(e, mode);
}

} // namespace blkcrypto::fsdemo
