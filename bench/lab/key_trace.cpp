// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/key_trace.hpp"

#include "blkcrypto/tools/cli/file.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

constexpr std::size_t piece_bytes = std::size_t{64} << 10;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

void write_lines(cli::file& to, std::span<const std::uint32_t> keys, std::string_view about) {
    std::string piece = fmt::format("# {}\n", about);
    for (const auto key : keys) {
        fmt::format_to(std::back_inserter(piece), "{}\n", key);
        if (piece.size() < piece_bytes)
            continue;
        to.write(piece);
        piece.clear();
    }
    to.write(piece);
}

} // namespace

bool key_trace_parser::fail(std::string_view why) {
    why_ = why;
    why_line_ = lines_;
    return false;
}

bool key_trace_parser::take(std::string_view piece) {
    if (!why_.empty())
        return false;
    bytes_ += piece.size();
    if (bytes_ > trace_bytes_max)
        return fail(fmt::format("the trace has more than {} bytes", trace_bytes_max));
    return std::ranges::all_of(piece, [this](char c) { return take(c); });
}

bool key_trace_parser::take(char c) {
    if (c == '\n')
        return end_line();
    is_comment_ = is_comment_ || (line_.empty() && c == '#');
    const bool is_full = line_.size() == trace_digits_max;
    if (is_comment_ || (is_blank(c) && (line_.empty() || is_full)))
        return true;
    if (c == '\0')
        return fail("there is a zero byte, so it is no text");
    if (is_full)
        return fail(fmt::format("more than {} characters are no key id", trace_digits_max));
    line_ += c;
    return true;
}

bool key_trace_parser::end_line() {
    while (!line_.empty() && is_blank(line_.back()))
        line_.pop_back();
    if (!line_.empty()) {
        std::uint64_t key = 0;
        const auto [end, error] = std::from_chars(line_.data(), line_.data() + line_.size(), key);
        const bool is_number = error != std::errc::invalid_argument && end == line_.data() + line_.size();
        if (!is_number)
            return fail(fmt::format("'{}' is not a number", line_));
        if (error != std::errc{} || key >= keys_)
            return fail(fmt::format("there is no key {}, only those from 0 to {}", line_, keys_ - 1));
        if (!add(key))
            return false;
    }
    line_.clear();
    is_comment_ = false;
    ++lines_;
    return true;
}

bool key_trace_parser::add(std::uint64_t key) {
    if (entries_.size() == trace_entries_max)
        return fail(fmt::format("the trace has more than {} keys", trace_entries_max));
    entries_.push_back(static_cast<std::uint32_t>(key));
    return true;
}

bool key_trace_parser::end() {
    if (!why_.empty() || !end_line())
        return false;
    if (entries_.empty())
        why_ = "there is no key in it";
    return why_.empty();
}

std::vector<std::uint32_t> read_key_trace(const std::string& path, std::uint64_t keys) {
    auto file = cli::file::open_input(path);
    key_trace_parser parser(keys);
    std::string piece(piece_bytes, '\0');
    bool goes_on = true;
    while (goes_on) {
        const std::size_t length = file.read(std::as_writable_bytes(std::span(piece)));
        const bool is_fine = parser.take(std::string_view(piece).substr(0, length));
        goes_on = is_fine && length == piece.size();
    }
    if (!parser.end())
        throw cli::unusable(parser.line() == 0 ? file.name()
                                               : fmt::format("{}:{}", file.name(), parser.line()),
                            parser.why());
    return parser.take_entries();
}

void write_key_trace(const std::string& path, std::span<const std::uint32_t> keys, std::string_view about) {
    auto file = cli::file::open_output(path);
    try {
        file.truncate();
        write_lines(file, keys, about);
        file.close();
    } catch (...) {
        file.remove_if_new();
        throw;
    }
}

} // namespace blkcrypto::bench
