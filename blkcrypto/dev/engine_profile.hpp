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

// Modelled costs. They apply under a virtual clock only; on the machine's own clock the engine is software
// and takes the time it takes. No source publishes these figures: the built-in ones are assumptions.
struct engine_costs {
    std::uint64_t program_ns = 0;            // putting a key into a slot
    std::uint64_t evict_ns = 0;              // making a slot forget its key
    std::uint64_t reset_ns = 0;              // a reset, without the keys that are programmed after it
    std::uint64_t bandwidth_bytes_per_s = 0; // 0: no limit
    bool are_assumed = false;
};

struct engine_profile {
    std::string name;
    unsigned keyslots = 0; // 0: the key travels with each command
    crypto_capabilities capabilities;
    engine_costs costs;
};

/// ufs-std, emmc-cqhci, qcom-ice, qcom-ice-hwkm, samsung-fmp, mtk-ufs, generic.
std::span<const engine_profile> builtin_engine_profiles();

/// Null if there is no built-in of that name.
const engine_profile* find_engine_profile(std::string_view name);

/// From the text of a JSON object:
///   {"name": "my-engine", "keyslots": 16, "dun_bytes": 8,
///    "modes": {"aes-256-xts": [512, 4096]},
///    "program_us": 5, "evict_us": 2, "reset_us": 800, "bandwidth_mb_per_s": 2000}
/// The last four are optional. EINVAL: not that; `why` then names the line and column, or the field.
result<engine_profile> parse_engine_profile(std::string_view json, std::string& why);

} // namespace blkcrypto
