// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `blkcrypto speed` tells: tables for people, with what limits whom, and the same as JSON (schema
// blkcrypto.speed).

#include "blkcrypto/tools/speed_measure.hpp"

#include <nlohmann/json.hpp>
#include <span>

namespace blkcrypto::tools {

/// Rows of one mode, one at least, in the order they were measured; at most 100 columns wide.
std::string speed_text(const crypto_mode_info& mode, std::span<const speed_row> rows);

nlohmann::ordered_json speed_json(const crypto_mode_info& mode, const speed_row& row);

} // namespace blkcrypto::tools
