// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/text_layout.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <fmt/format.h>
#include <functional>

namespace blkcrypto::bench {
namespace {

// Takes the next word off the front, no longer than `most`; empty at the end.
std::string_view take_word(std::string_view& text, std::size_t most) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const auto word = text.substr(0, std::min(text.find(' '), most));
    text.remove_prefix(word.size());
    return word;
}

} // namespace

std::string to_ascii(std::string_view text) {
    std::string ascii(text);
    std::ranges::replace_if(
        ascii, [](char c) { return c != '\n' && (c < ' ' || c > '~'); }, '?');
    return ascii;
}

std::string wrapped(std::string_view label, std::string_view text) {
    const std::size_t indent = std::min(label.size(), text_columns / 2);
    const std::size_t most = text_columns - indent;
    std::string all;
    std::string line(label.substr(0, indent));
    bool has_word = false;
    for (auto word = take_word(text, most); !word.empty(); word = take_word(text, most)) {
        if (has_word && line.size() + 1 + word.size() > text_columns) {
            all += line + '\n';
            line.assign(indent, ' ');
            has_word = false;
        }
        if (has_word)
            line += ' ';
        line += word;
        has_word = true;
    }
    return all + line + '\n';
}

std::string table_layout::row(std::string_view name, std::span<const std::string> cells) const {
    assert(cells.size() == widths.size());
    std::string line = fmt::format("{:<{}.{}}", name, name_width, name_width);
    for (std::size_t i = 0; i < cells.size(); ++i)
        line += fmt::format(" {:>{}.{}}", cells[i], widths[i] - 1, widths[i] - 1);
    return line + '\n';
}

double bar_scale(std::vector<double> values) {
    constexpr double too_much = 4; // times the next
    std::erase_if(values, [](double value) { return value <= 0; });
    std::ranges::sort(values, std::greater<>());
    if (values.size() < 3)
        return values.empty() ? 0 : values.front();
    return values[0] > too_much * values[1] ? values[1] : values[0];
}

std::string stacked_bar(std::span<const bar_part> parts, double most, std::size_t columns) {
    constexpr double half_column = 0.5;
    std::string bar;
    double end = 0;
    char last = ' ';
    for (const auto& part : parts) {
        end += part.value;
        const double place = most <= 0 ? 0 : std::clamp(end / most, 0.0, 1.0) * static_cast<double>(columns);
        const auto length = static_cast<std::size_t>(std::llround(place));
        bar.resize(std::max(bar.size(), length), part.letter);
        last = part.value > 0 ? part.letter : last;
    }
    if (bar.size() >= 2 && end > most * (1 + half_column / static_cast<double>(columns)))
        bar.replace(bar.size() - 2, 2, {last, '>'});
    return bar;
}

} // namespace blkcrypto::bench
