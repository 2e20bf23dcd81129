// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is known of an inline crypto engine: how many keyslots, which modes and data unit sizes, how wide a
// DUN, how long things take. Data, not code: the built-in ones below, others from a JSON file.

#include "blkcrypto/base/result.hpp"
#include "blkcrypto/block/crypto_capabilities.hpp"

#include <span>
#include <string>
#include <string_view>

namespace blkcrypto {

struct engine_profile {
    std::string name;
    unsigned keyslots = 0;
    crypto_capabilities capabilities;

    // Modelled costs. They apply under a virtual clock only; on the machine's own clock the engine is
    // software and takes the time it takes. No source publishes these figures: the built-in ones are
    // assumptions.
    std::uint64_t program_ns = 0;            // putting a key into a slot
    std::uint64_t bandwidth_bytes_per_s = 0; // 0: no limit
    bool costs_are_assumed = true;
};

/// ufs-std, emmc-cqhci, generic.
std::span<const engine_profile> builtin_engine_profiles();

/// Null if there is no built-in of that name.
const engine_profile* find_engine_profile(std::string_view name);

/// From the text of a JSON object:
///   {"name": "my-engine", "keyslots": 16, "dun_bytes": 8,
///    "modes": {"aes-256-xts": [512, 4096]}, "program_us": 5, "bandwidth_mb_per_s": 2000}
/// The last two are optional. EINVAL: not that; `why` then names the line and column, or the field.
result<engine_profile> parse_engine_profile(std::string_view json, std::string& why);

} // namespace blkcrypto
