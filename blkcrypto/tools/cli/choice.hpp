// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names on command lines: one of a few words, the modes, and the engines. An unknown name is a program_error
// (exit code 2) that lists the known ones.

#include "blkcrypto/cipher/crypto_mode.hpp"
#include "blkcrypto/dev/engine_profile.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace blkcrypto::cli {

/// The index of `text` in `names`.
std::size_t parse_choice(std::string_view option, std::string_view text,
                         std::span<const std::string_view> names);

const crypto_mode_info& parse_mode(std::string_view option, std::string_view text);

/// A built-in engine.
const engine_profile& parse_engine(std::string_view option, std::string_view text);

} // namespace blkcrypto::cli
