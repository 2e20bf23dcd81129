// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/speed_report.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::tools {
namespace {

std::string_view direction_name(cipher_direction direction) {
    return direction == cipher_direction::encrypt ? "encrypt" : "decrypt";
}

std::string size_text(std::size_t bytes) {
    if (bytes < 1 << 10)
        return fmt::format("{} B", bytes);
    return bytes < 1 << 20 ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} MiB", bytes >> 20);
}

// Rows that stand in one table: they differ in implementation, direction and unit size.
using row_list = std::vector<const speed_row*>;

bool are_in_one_table(const speed_row& a, const speed_row& b) {
    return a.of.working_set_bytes == b.of.working_set_bytes && a.of.threads == b.of.threads;
}

bool are_in_one_column(const speed_row& a, const speed_row& b) {
    return a.of.direction == b.of.direction && a.of.unit_size == b.of.unit_size;
}

row_list columns_of(const row_list& table) {
    row_list columns;
    for (const auto* row : table)
        if (row->implementation == table.front()->implementation)
            columns.push_back(row);
    return columns;
}

const speed_row& find_in_column(const row_list& table, std::string_view implementation,
                                const speed_row& column) {
    return **std::ranges::find_if(table, [&](const auto* row) {
        return row->implementation == implementation && are_in_one_column(*row, column);
    });
}

std::string head_text(const crypto_mode_info& mode, const row_list& table) {
    const speed_case& of = table.front()->of;
    const std::string threads = of.threads == 1 ? "1 thread" : fmt::format("{} threads", of.threads);
    std::string text =
        fmt::format("\n{}, {}, working set {}{}: GB/s, and how many times OpenSSL's\n{:<20}", mode.name,
                    threads, size_text(of.working_set_bytes), of.threads == 1 ? "" : " each", "");
    for (const auto* column : columns_of(table))
        text += fmt::format("{:>13}", fmt::format("{} {}", direction_name(column->of.direction).substr(0, 3),
                                                  size_text(column->of.unit_size.bytes())));
    return text + "\n";
}

std::string line_text(const row_list& table, const speed_row& first_of_line) {
    std::string text = fmt::format("{:<20}", first_of_line.implementation);
    for (const auto* column : columns_of(table)) {
        const speed_row& row = find_in_column(table, first_of_line.implementation, *column);
        text += fmt::format(
            "{:>7.2f}{:>6}", row.gb_per_s.median,
            row.ratio_to_openssl && !row.is_control ? fmt::format("{:.2f}x", *row.ratio_to_openssl) : "");
    }
    text.resize(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

struct share_range {
    double min = 0;
    double max = 0;
};

// What the first implementation reaches of a control, over all columns.
share_range share_of(const row_list& table, std::string_view control) {
    std::vector<double> shares;
    for (const auto* column : columns_of(table))
        shares.push_back(column->gb_per_s.median / find_in_column(table, control, *column).gb_per_s.median);
    const auto [min, max] = std::ranges::minmax(shares);
    return {min, max};
}

// One sentence for each control: what the fastest reaches of it.
std::string limit_text(const row_list& table) {
    constexpr double is_limit = 0.85;
    std::string text;
    for (const auto* control : table) {
        if (!control->is_control || !are_in_one_column(*control, *table.front()))
            continue;
        const auto share = share_of(table, control->implementation);
        const std::string reached = fmt::format("{:.2f}", share.min);
        const std::string at_most = fmt::format("{:.2f}", share.max);
        text += fmt::format("{}: {} of {}{}\n", table.front()->implementation,
                            reached == at_most ? reached : reached + " to " + at_most,
                            control->implementation, share.min >= is_limit ? ", which limits it" : "");
    }
    return text;
}

std::string table_text(const crypto_mode_info& mode, const row_list& table) {
    std::string text = head_text(mode, table);
    for (const auto* row : table)
        if (are_in_one_column(*row, *table.front()))
            text += line_text(table, *row);
    return text + limit_text(table);
}

nlohmann::ordered_json ratio_json(const std::optional<double>& ratio) {
    return ratio ? nlohmann::ordered_json(*ratio) : nullptr;
}

} // namespace

std::string speed_text(const crypto_mode_info& mode, std::span<const speed_row> rows) {
    std::string text;
    row_list table;
    for (const auto& row : rows) {
        if (!table.empty() && !are_in_one_table(*table.front(), row)) {
            text += table_text(mode, table);
            table.clear();
        }
        table.push_back(&row);
    }
    return table.empty() ? text : text + table_text(mode, table);
}

nlohmann::ordered_json speed_json(const crypto_mode_info& mode, const speed_row& row) {
    return {
        {"mode", row.is_control ? "control" : mode.name},
        {"implementation", row.implementation},
        {"direction", direction_name(row.of.direction)},
        {"data_unit_size", row.of.unit_size.bytes()},
        {"working_set_bytes", row.of.working_set_bytes},
        {"threads", row.of.threads},
        {"gb_per_s", {{"min", row.gb_per_s.min}, {"median", row.gb_per_s.median}, {"max", row.gb_per_s.max}}},
        {"ratio_to_openssl", ratio_json(row.ratio_to_openssl)},
        {"ratio_to_limit", ratio_json(row.ratio_to_limit)}};
}

} // namespace blkcrypto::tools
