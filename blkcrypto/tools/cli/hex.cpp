// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/hex.hpp"

#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::cli {

std::string to_hex(bytes_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (const std::byte b : bytes) {
        text += digits[std::to_integer<unsigned>(b >> 4)];
        text += digits[std::to_integer<unsigned>(b & std::byte{0x0f})];
    }
    return text;
}

std::vector<std::byte> parse_hex(std::string_view option, std::string_view text) {
    if (text.size() % 2 != 0)
        throw unusable(option, fmt::format("has an odd number of hexadecimal digits, {}", text.size()));
    std::vector<std::byte> bytes(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto digit = hex_digit_value(text[i]);
        if (!digit)
            throw unusable(option, fmt::format("no hexadecimal digit at offset {}", i));
        bytes[i / 2] = bytes[i / 2] << 4 | std::byte{*digit};
    }
    return bytes;
}

void parse_hex_into(std::string_view option, std::string_view text, bytes_span into) {
    const auto bytes = parse_hex(option, text);
    if (bytes.size() != into.size())
        throw unusable(option, fmt::format("{} bytes, expected {}", bytes.size(), into.size()));
    std::ranges::copy(bytes, into.begin());
}

} // namespace blkcrypto::cli
