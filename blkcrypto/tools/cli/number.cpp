// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/number.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace blkcrypto::cli {
namespace {

__extension__ typedef unsigned __int128 uint128;

// All of `text` as an unsigned number; from_chars() knows neither signs nor blanks for unsigned types.
std::optional<std::uint64_t> whole_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

constexpr std::string_view suffixes = "kmgt";

// The shift of a suffix; 0 if the character is none.
unsigned suffix_bits(char suffix) {
    const auto lower = static_cast<char>(suffix | 0x20);
    const auto at = suffixes.find(lower);
    return at == std::string_view::npos ? 0 : 10 * (static_cast<unsigned>(at) + 1);
}

std::optional<std::uint64_t> size_value(std::string_view text) {
    const unsigned bits = text.empty() ? 0 : suffix_bits(text.back());
    if (bits != 0)
        text.remove_suffix(1);
    const auto number = whole_number(text);
    if (!number || (*number << bits >> bits) != *number)
        return std::nullopt;
    return *number << bits;
}

// value * factor + addend; false if that needs more than 256 bits.
bool multiply_add(uint256& value, unsigned factor, unsigned addend) {
    uint128 carry = addend;
    for (auto& limb : value.limbs) {
        carry += static_cast<uint128>(limb) * factor;
        limb = static_cast<std::uint64_t>(carry);
        carry >>= 64;
    }
    return carry == 0;
}

// Divides by ten in place and returns the remainder.
unsigned divide_by_ten(uint256& value) {
    uint128 remainder = 0;
    for (std::size_t i = value.limbs.size(); i-- > 0;) {
        remainder = remainder << 64 | value.limbs[i];
        value.limbs[i] = static_cast<std::uint64_t>(remainder / 10);
        remainder %= 10;
    }
    return static_cast<unsigned>(remainder);
}

} // namespace

std::uint64_t parse_size(std::string_view option, std::string_view text) {
    const auto value = size_value(text);
    if (!value)
        throw unusable(option,
                       fmt::format("'{}' is not a size (a number, with k, m, g or t) below 2^64", text));
    return *value;
}

std::string size_text(std::uint64_t bytes) {
    for (std::size_t i = suffixes.size(); i-- > 0;) {
        const std::uint64_t number = bytes >> 10 * (i + 1);
        if (number != 0 && number << 10 * (i + 1) == bytes)
            return fmt::format("{}{}", number, suffixes[i]);
    }
    return fmt::format("{}", bytes);
}

std::uint64_t parse_count(std::string_view option, std::string_view text, std::uint64_t min,
                          std::uint64_t max) {
    const auto value = whole_number(text);
    if (!value || *value < min || *value > max)
        throw unusable(option, fmt::format("'{}' is not a number from {} to {}", text, min, max));
    return *value;
}

data_unit_size parse_data_unit_size(std::string_view option, std::string_view text) {
    const auto size = data_unit_size::make(parse_size(option, text));
    if (size.has_error())
        throw unusable(option, fmt::format("'{}' is not a power of two from {} to {}", text,
                                           size_text(data_unit_size::min_bytes),
                                           size_text(data_unit_size::max_bytes)));
    return *size;
}

std::optional<unsigned char> hex_digit_value(char c) {
    if (c >= '0' && c <= '9')
        return static_cast<unsigned char>(c - '0');
    const char lower = static_cast<char>(c | 0x20);
    if (lower >= 'a' && lower <= 'f')
        return static_cast<unsigned char>(lower - 'a' + 10);
    return std::nullopt;
}

uint256 parse_uint256(std::string_view option, std::string_view text) {
    const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
    const unsigned base = is_hex ? 16 : 10;
    const std::string_view digits = is_hex ? text.substr(2) : text;
    uint256 value;
    bool is_number = !digits.empty();
    for (const char c : digits) {
        const auto digit = hex_digit_value(c);
        is_number = is_number && digit && *digit < base && multiply_add(value, base, *digit);
    }
    if (!is_number)
        throw unusable(option, fmt::format("'{}' is not a number (decimal or 0x...) below 2^256", text));
    return value;
}

std::string to_decimal(uint256 value) {
    std::string digits;
    do
        digits.push_back(static_cast<char>('0' + divide_by_ten(value)));
    while (value != uint256{});
    std::ranges::reverse(digits);
    return digits;
}

nlohmann::ordered_json to_json(const uint256& value) {
    if (value.significant_bytes() <= sizeof(value.limbs[0]))
        return value.limbs[0];
    return to_decimal(value);
}

} // namespace blkcrypto::cli
