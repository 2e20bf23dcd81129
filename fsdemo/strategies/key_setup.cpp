// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/strategies/key_setup.hpp"

namespace blkcrypto::fsdemo {

std::error_code set_key(skcipher& transform, const extent_crypt_info& extent, env& e,
                        bio_stamps* stamps) noexcept {
    const auto enter = [&](bio_stage stage) {
        if (stamps != nullptr) [[unlikely]]
            stamps->enter(stage, e.now_ns());
    };
    secret& key = extent.scratch();
    enter(bio_stage::derive);
    std::error_code error = extent.derive(key);
    enter(bio_stage::setkey);
    if (!error)
        error = transform.setkey(key.bytes());
    key.wipe();
    wipe_vector_registers();
    if (error)
        transform.forget();
    return error;
}

} // namespace blkcrypto::fsdemo
