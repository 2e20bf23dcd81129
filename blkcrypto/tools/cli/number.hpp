// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers on command lines and in JSON: sizes such as 4k, data unit sizes, 256-bit data unit numbers. The
// parsers take the name of the option for the message and throw program_error (exit code 2): no sign, no
// blanks, nothing after the number, nothing that does not fit.

#include "blkcrypto/base/uint256.hpp"
#include "blkcrypto/base/units.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace blkcrypto::cli {

/// Decimal, with an optional k, m, g or t of either case (1024-based).
std::uint64_t parse_size(std::string_view option, std::string_view text);

/// As parse_size() takes it, in the largest unit that it is whole in: 4k, 512g, 1000.
std::string size_text(std::uint64_t bytes);

/// A plain decimal number from `min` to `max`.
std::uint64_t parse_count(std::string_view option, std::string_view text, std::uint64_t min,
                          std::uint64_t max);

/// A size that is a power of two from 512 to 65536.
data_unit_size parse_data_unit_size(std::string_view option, std::string_view text);

/// Decimal, or hexadecimal after 0x, up to 2^256 - 1.
uint256 parse_uint256(std::string_view option, std::string_view text);

/// Nothing for a character that is no hexadecimal digit of either case.
std::optional<unsigned char> hex_digit_value(char c);

std::string to_decimal(uint256 value);

/// A JSON number while it fits 64 bits, else a decimal string.
nlohmann::ordered_json to_json(const uint256& value);

} // namespace blkcrypto::cli
