// SPDX-License-Identifier: Apache-2.0
#pragma once
// A trace of key accesses as a text file: a key id in decimal a line, in the order of the accesses. Blanks
// and tabs around it are nothing, nor is a carriage return. Empty lines, and lines that begin with #, say
// nothing. It comes from anywhere: whatever is in it, reading ends, with the keys or with the line and what
// is wrong there.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::bench {

inline constexpr std::size_t trace_entries_max = std::size_t{1} << 26;
inline constexpr std::size_t trace_digits_max = 20;
inline constexpr std::uint64_t trace_bytes_max = std::uint64_t{1} << 31;

/// Takes the text in pieces, cut anywhere.
class key_trace_parser {
  public:
    /// There are the keys 0 to `keys` - 1, 2^32 at most.
    explicit key_trace_parser(std::uint64_t keys) noexcept : keys_(keys) {}

    /// False: something is wrong, and no more is taken. Throws bad_alloc.
    bool take(std::string_view piece);
    /// All of the text was taken. False: something is wrong.
    bool end();

    /// What is wrong; empty: nothing. May quote whatever is in the line, but no zero byte.
    const std::string& why() const noexcept { return why_; }
    /// The line where that is, from 1 on; 0: it is not in one.
    std::uint64_t line() const noexcept { return why_line_; }
    std::vector<std::uint32_t> take_entries() noexcept { return std::move(entries_); }

  private:
    bool take(char c);
    bool end_line();
    bool add(std::uint64_t key);
    bool fail(std::string_view why);

    std::uint64_t keys_;
    std::vector<std::uint32_t> entries_;
    std::string line_; // as far as it has come, without blanks before it
    bool is_comment_ = false;
    std::uint64_t lines_ = 1;
    std::uint64_t bytes_ = 0;
    std::string why_;
    std::uint64_t why_line_ = 0;
};

/// program_error, exit code 2, that names the file, the line and what is wrong there. "-" is stdin.
std::vector<std::uint32_t> read_key_trace(const std::string& path, std::uint64_t keys);

/// Replaces what is there. `about`, a line, becomes a comment. program_error, exit code 1, or 2 for a file
/// that cannot be written at all; a new one is whole, or not there.
void write_key_trace(const std::string& path, std::span<const std::uint32_t> keys, std::string_view about);

} // namespace blkcrypto::bench
