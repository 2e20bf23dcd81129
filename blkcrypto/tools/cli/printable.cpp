// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/printable.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::cli {
namespace {

/// Of the well-formed UTF-8 sequence that the text begins with: its length, 0 if there is none, and what it
/// stands for.
struct utf8_character {
    std::size_t bytes = 0;
    char32_t value = 0;
};

utf8_character first_character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80)
        return {1, lead};
    const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length)
        return {};
    char32_t value = lead & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80)
            return {};
        value = value << 6 | (byte(i) & 0x3fU);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < least[length] || value > 0x10ffff || is_surrogate)
        return {};
    return {length, value};
}

bool is_obeyed_by_terminals(char32_t c) {
    const bool is_control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
    const bool is_bidi_control = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return is_control || is_bidi_control;
}

} // namespace

std::string printable(std::string_view name) {
    std::string text;
    while (!name.empty()) {
        const utf8_character c = first_character(name);
        const std::string_view bytes = name.substr(0, std::max<std::size_t>(c.bytes, 1));
        if (c.bytes == 0 || is_obeyed_by_terminals(c.value))
            for (const char byte : bytes)
                text += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
        else if (c.value == U'\\')
            text += "\\\\";
        else
            text += bytes;
        name.remove_prefix(bytes.size());
    }
    return text;
}

} // namespace blkcrypto::cli
