// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/speed_report.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::tools {
namespace {

std::string_view direction_name(cipher_direction direction) {
    return direction == cipher_direction::encrypt ? "encrypt" : "decrypt";
}

constexpr int name_width = 26;
constexpr int column_width = 12;

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

// Of the row that has this part; empty if none has.
std::string_view name_of(const row_list& table, speed_role role) {
    const auto found = std::ranges::find(table, role, &speed_row::role);
    return found != table.end() ? std::string_view((*found)->implementation) : std::string_view();
}

// Whose speed the ratios are to.
std::string openssl_name(const row_list& table) {
    const auto elsewise = name_of(table, speed_role::openssl_elsewise);
    return elsewise.empty() ? "OpenSSL's" : std::string(elsewise);
}

std::string head_text(const crypto_mode_info& mode, const row_list& table) {
    const speed_conditions& conditions = table.front()->conditions;
    const std::string threads =
        conditions.threads == 1 ? "1 thread" : fmt::format("{} threads", conditions.threads);
    std::string text =
        fmt::format("{}, {}, working set {}{}: GB/s, and how many times {}\n{:<{}}", mode.name, threads,
                    size_text(conditions.working_set_bytes), conditions.threads == 1 ? "" : " each",
                    openssl_name(table), "", name_width);
    for (const auto* column : columns_of(table))
        text += fmt::format("{:>{}}",
                            fmt::format("{} {}", direction_name(column->conditions.direction).substr(0, 3),
                                        size_text(column->conditions.unit_size.bytes())),
                            column_width);
    return text + "\n";
}

std::string times_text(double ratio) {
    return fmt::format("{:.{}f}x", ratio, ratio < 10 ? 2 : 1);
}

std::string line_text(const row_list& table, const speed_row& first_of_line) {
    std::string text = fmt::format("{:<{}}", first_of_line.implementation, name_width);
    for (const auto* column : columns_of(table)) {
        const speed_row& row = find_in_column(table, first_of_line.implementation, *column);
        text += fmt::format("{:>6.2f}{:>6}", row.gb_per_s.median,
                            row.ratio_to_openssl && !is_control(row.role) ? times_text(*row.ratio_to_openssl)
                                                                          : "");
    }
    text.resize(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

// What the first implementation reaches of a control, column by column; nothing if that was not measured.
std::string share_text(const row_list& table, std::string_view control,
                       std::optional<double> speed_row::*share) {
    std::string text = fmt::format("{:<{}}", fmt::format("  of {}", control), name_width);
    for (const auto* column : columns_of(table)) {
        if (!(column->*share))
            return {};
        text += fmt::format("{:>6.2f}{:6}", *(column->*share), "");
    }
    text.resize(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

// Which of the controls it comes close to.
std::string limit_text(const row_list& table) {
    constexpr double is_close = 0.85;
    std::string text = fmt::format("{:<{}}", "  limited by", name_width);
    for (const auto* column : columns_of(table)) {
        const bool by_memory = column->ratio_to_memcpy.value_or(0) >= is_close;
        const bool by_instructions = column->ratio_to_limit.value_or(0) >= is_close;
        text += fmt::format("{:>6}{:6}", by_memory ? "memory" : by_instructions ? "rounds" : "-", "");
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
           share_text(table, name_of(table, speed_role::instructions), &speed_row::ratio_to_limit) +
           share_text(table, "memcpy", &speed_row::ratio_to_memcpy) + limit_text(table) + "\n";
}

// The controls that do not explain themselves.
std::string controls_text(const row_list& table) {
    std::string text;
    if (const auto name = name_of(table, speed_role::instructions); !name.empty())
        text += fmt::format("{}: the bare instructions of the cipher, no IV and no memory.\n", name);
    if (const auto name = name_of(table, speed_role::openssl_elsewise); !name.empty())
        text += fmt::format("{}: not the mode, which OpenSSL does not have, but its stream cipher.\n", name);
    if (const auto name = name_of(table, speed_role::other); !name.empty())
        text += fmt::format("{}: the block cipher by a call of OpenSSL's a block.\n", name);
    return text;
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
    return text + table_text(mode, table) + controls_text(table) +
           "A call is 64 KiB: one unit of that size, or several. Of a working set half is read, half written.\n"
           "limited by: 0.85 or more of it is reached.\n\n";
}

nlohmann::ordered_json speed_json(const crypto_mode_info& mode, const speed_row& row) {
    return {
        {"mode", is_control(row.role) ? "control" : mode.name},
        {"implementation", row.implementation},
        {"direction", direction_name(row.conditions.direction)},
        {"data_unit_size", row.conditions.unit_size.bytes()},
        {"working_set_bytes", row.conditions.working_set_bytes},
        {"threads", row.conditions.threads},
        {"gb_per_s", {{"min", row.gb_per_s.min}, {"median", row.gb_per_s.median}, {"max", row.gb_per_s.max}}},
        {"ratio_to_openssl", ratio_json(row.ratio_to_openssl)},
        {"ratio_to_limit", ratio_json(row.ratio_to_limit)},
        {"ratio_to_memcpy", ratio_json(row.ratio_to_memcpy)}};
}

} // namespace blkcrypto::tools
