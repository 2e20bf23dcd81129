// SPDX-License-Identifier: Apache-2.0
#pragma once
// Text that fits into a mail: ASCII, lines of at most 78 columns, tables and bars made of characters.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::bench {

inline constexpr std::size_t text_columns = 78;

/// What is no printable ASCII as '?', byte by byte.
std::string to_ascii(std::string_view text);

/// A paragraph with a newline at its end: broken at blanks, inside a word only if that alone is too long.
/// The first line begins with `label`, the others with as many blanks.
std::string wrapped(std::string_view label, std::string_view text);

/// A name at the left, then columns at the right of their width; what is too wide is cut.
struct table_layout {
    std::size_t name_width;
    std::vector<std::size_t> widths;

    std::string row(std::string_view name, std::span<const std::string> cells) const;
};

/// A part of a bar, drawn with a letter of its own.
struct bar_part {
    char letter;
    double value;
};

/// What the longest bar of a chart is as much as: the most of `values`, or, if that would leave nothing to
/// see of all others, the most but one.
double bar_scale(std::vector<double> values);

/// The parts one behind the other, `columns` long if they are as much as `most`, and never longer: one that
/// is more than that ends with its last letter and '>'. Where a part ends is rounded, so that the whole is
/// never more than half a column off.
std::string stacked_bar(std::span<const bar_part> parts, double most, std::size_t columns);

} // namespace blkcrypto::bench
