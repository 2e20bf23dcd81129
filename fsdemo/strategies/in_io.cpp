// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/strategies/in_io.hpp"

namespace blkcrypto::fsdemo {

std::error_code in_io::start_using(env& e, const crypto_config& config) {
    return start_without_transforms(e, config);
}

extent_transforms::making in_io::make(const extent_crypt_info& extent, acquire_context& asker) noexcept {
    env& e = asker.environment;
    const gfp_kernel_scope as_it_names(e);
    const io_context_scope scope(e, scope_);
    const crypto_mode mode = extent.config().mode;
    blk_status status = blk_status::ok;
    const acquire_outcome module = extent.modules().request(mode, asker.parked, status);
    if (module != acquire_outcome::ready)
        return {module, nullptr, status};
    asker.enter_stage(bio_stage::allocate);
    return made(or_no_memory([&] { return api_.allocate_in_io(e, mode); }));
}

result<std::unique_ptr<key_strategy>> make_in_io(io_context scope, const strategy_options& options) {
    return or_no_memory(
        [&]() -> result<std::unique_ptr<key_strategy>> { return std::make_unique<in_io>(scope, options); });
}

} // namespace blkcrypto::fsdemo
