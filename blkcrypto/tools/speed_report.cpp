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
    return a.conditions.working_set_bytes == b.conditions.working_set_bytes &&
           a.conditions.threads == b.conditions.threads;
}

bool are_in_one_column(const speed_row& a, const speed_row& b) {
    return a.conditions.direction == b.conditions.direction &&
           a.conditions.unit_size == b.conditions.unit_size;
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
    const speed_conditions& conditions = table.front()->conditions;
    const std::string threads =
        conditions.threads == 1 ? "1 thread" : fmt::format("{} threads", conditions.threads);
    std::string text = fmt::format("{}, {}, working set {}{}: GB/s, and how many times OpenSSL's\n{:<20}",
                                   mode.name, threads, size_text(conditions.working_set_bytes),
                                   conditions.threads == 1 ? "" : " each", "");
    for (const auto* column : columns_of(table))
        text += fmt::format("{:>13}",
                            fmt::format("{} {}", direction_name(column->conditions.direction).substr(0, 3),
                                        size_text(column->conditions.unit_size.bytes())));
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

// What the first implementation reaches of a control, column by column; nothing if that was not measured.
std::string share_text(const row_list& table, std::string_view control,
                       std::optional<double> speed_row::*share) {
    std::string text = fmt::format("{:<20}", fmt::format("  of {}", control));
    for (const auto* column : columns_of(table)) {
        if (!(column->*share))
            return {};
        text += fmt::format("{:>7.2f}      ", *(column->*share));
    }
    text.resize(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

// Which of the controls it comes close to.
std::string limit_text(const row_list& table) {
    constexpr double is_close = 0.85;
    std::string text = fmt::format("{:<20}", "  limited by");
    for (const auto* column : columns_of(table)) {
        const bool by_memory = column->ratio_to_memcpy.value_or(0) >= is_close;
        const bool by_instructions = column->ratio_to_limit.value_or(0) >= is_close;
        text += fmt::format("{:>7}      ", by_memory ? "memory" : by_instructions ? "AES" : "-");
    }
    text.resize(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

std::string table_text(const crypto_mode_info& mode, const row_list& table) {
    std::string text = head_text(mode, table);
    for (const auto* row : table)
        if (are_in_one_column(*row, *table.front()))
            text += line_text(table, *row);
    return text + fmt::format("{} reaches\n", table.front()->implementation) +
           share_text(table, "aes_256_rounds", &speed_row::ratio_to_limit) +
           share_text(table, "memcpy", &speed_row::ratio_to_memcpy) + limit_text(table) + "\n";
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
    return text + table_text(mode, table) +
           "aes_256_rounds: the bare AES instructions, no tweak and no memory. Of a working set half is read,\n"
           "half written. limited by: 0.85 or more of it is reached.\n";
}

nlohmann::ordered_json speed_json(const crypto_mode_info& mode, const speed_row& row) {
    return {
        {"mode", row.is_control ? "control" : mode.name},
        {"implementation", row.implementation},
        {"direction", direction_name(row.conditions.direction)},
        {"data_unit_size", row.conditions.unit_size.bytes()},
        {"working_set_bytes", row.conditions.working_set_bytes},
        {"threads", row.conditions.threads},
        {"gb_per_s", {{"min", row.gb_per_s.min}, {"median", row.gb_per_s.median}, {"max", row.gb_per_s.max}}},
        {"ratio_to_openssl", ratio_json(row.ratio_to_openssl)},
        {"ratio_to_limit", ratio_json(row.ratio_to_limit)}};
}

} // namespace blkcrypto::tools
