// SPDX-License-Identifier: Apache-2.0
#pragma once
// The two steps that all strategies share: derive the extent's key, give it to a transform.

#include "fsdemo/key_strategy.hpp"

namespace blkcrypto::fsdemo {

/// Allocates nothing; leaves the key nowhere but in the transform. After an error the transform has no key.
/// EINVAL: a key that the mode refuses. On the thread of the extent's filesystem. `stamps` may be null.
std::error_code set_key(skcipher& transform, const extent_crypt_info& extent, env& e,
                        bio_stamps* stamps = nullptr) noexcept;

} // namespace blkcrypto::fsdemo
