// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/key_file.hpp"

#include "blkcrypto/tools/cli/choice.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace blkcrypto::cli {
namespace {

struct length_range {
    std::size_t min_bytes;
    std::size_t max_bytes;
};

secret make_secret(std::size_t size_bytes) {
    auto made = secret::make(size_bytes);
    if (made.has_error())
        throw program_error(exit_failed, "key", "no memory for it", made.error().value());
    return std::move(*made);
}

// Hands out a key file's bytes one by one, through a secret.
class key_reader {
  public:
    explicit key_reader(const std::string& path)
        : file_(file::open_input(path)), size_(file_.remaining_bytes().value_or(0)), byte_(make_secret(1)) {}

    const std::string& name() const noexcept { return file_.name(); }

    /// False at the end of the file.
    bool next() {
        const bool got = file_.read(byte_.writable()) != 0;
        offset_ += got ? 1 : 0;
        return got;
    }

    unsigned char byte() const noexcept { return static_cast<unsigned char>(byte_.bytes()[0]); }

    std::uint64_t byte_offset() const noexcept { return offset_ - 1; }

    /// The file's length; nothing where it is known only by reading on.
    std::optional<std::uint64_t> size_bytes() const noexcept {
        return size_ >= offset_ ? std::optional(size_) : std::nullopt;
    }

  private:
    file file_;
    std::uint64_t size_;
    secret byte_;
    std::uint64_t offset_ = 0;
};

std::string expected(length_range range) {
    if (range.min_bytes == range.max_bytes)
        return fmt::format("expected {}", range.min_bytes);
    return fmt::format("expected {} to {}", range.min_bytes, range.max_bytes);
}

program_error too_short(const key_reader& reader, std::size_t actual_bytes, length_range range) {
    return unusable(reader.name(), fmt::format("holds a key of {} bytes, {}", actual_bytes, expected(range)));
}

// `file_bytes_per_byte`: 1 for raw, 2 for hexadecimal.
program_error too_long(const key_reader& reader, unsigned file_bytes_per_byte, length_range range) {
    const auto size = reader.size_bytes();
    if (!size)
        return unusable(reader.name(), fmt::format("holds a key of more than {} bytes, {}", range.max_bytes,
                                                   expected(range)));
    std::string_view hint;
    if (file_bytes_per_byte == 1 && *size == range.max_bytes + 1)
        hint = " (a newline at the end counts)";
    else if (file_bytes_per_byte == 1 && *size / 2 == range.max_bytes)
        hint = " (hexadecimal needs --key-format hex)";
    return unusable(reader.name(), fmt::format("holds a key of {} bytes, {}{}", *size / file_bytes_per_byte,
                                               expected(range), hint));
}

// Fills `key` and returns how many bytes it got.
std::size_t read_raw(key_reader& reader, secret& key, length_range range) {
    std::size_t count = 0;
    while (reader.next()) {
        if (count == range.max_bytes)
            throw too_long(reader, 1, range);
        key.writable()[count++] = std::byte{reader.byte()};
    }
    return count;
}

program_error not_hexadecimal(const key_reader& reader, std::uint64_t offset) {
    return unusable(reader.name(), fmt::format("no hexadecimal digit at offset {}", offset));
}

std::size_t read_hex(key_reader& reader, secret& key, length_range range) {
    std::size_t digits = 0;
    while (reader.next()) {
        if (reader.byte() == '\n') {
            if (!reader.next())
                break;
            // Of the two, the one that is no digit.
            const bool is_digit = hex_digit_value(static_cast<char>(reader.byte())).has_value();
            throw not_hexadecimal(reader, reader.byte_offset() - (is_digit ? 1 : 0));
        }
        const auto digit = hex_digit_value(static_cast<char>(reader.byte()));
        if (!digit)
            throw not_hexadecimal(reader, reader.byte_offset());
        if (digits == 2 * range.max_bytes)
            throw too_long(reader, 2, range);
        std::byte& target = key.writable()[digits++ / 2];
        target = target << 4 | std::byte{*digit};
    }
    if (digits % 2 != 0)
        throw unusable(reader.name(), fmt::format("has an odd number of hexadecimal digits, {}", digits));
    return digits / 2;
}

bool is_xts(crypto_mode mode) {
    return mode == crypto_mode::aes_256_xts || mode == crypto_mode::sm4_xts;
}

bool has_equal_halves(bytes_view key) {
    return std::ranges::equal(key.first(key.size() / 2), key.last(key.size() / 2));
}

} // namespace

key_format parse_key_format(std::string_view option, std::string_view text) {
    constexpr std::array<std::string_view, 2> names{"raw", "hex"};
    return parse_choice(option, text, names) == 0 ? key_format::raw : key_format::hex;
}

secret read_key_file(const std::string& path, key_format format, std::size_t min_bytes,
                     std::size_t max_bytes) {
    const length_range range{min_bytes, max_bytes};
    key_reader reader(path);
    secret key = make_secret(max_bytes);
    const std::size_t count =
        format == key_format::raw ? read_raw(reader, key, range) : read_hex(reader, key, range);
    if (count < min_bytes)
        throw too_short(reader, count, range);
    key.resize(count);
    return key;
}

secret read_mode_key(const std::string& path, key_format format, const crypto_mode_info& mode) {
    secret key = read_key_file(path, format, mode.key_size_bytes, mode.key_size_bytes);
    if (is_xts(mode.mode) && has_equal_halves(key.bytes()))
        throw unusable(path == standard_stream ? "stdin" : path,
                       fmt::format("the two halves of an {} key must differ", mode.name), EINVAL);
    return key;
}

void key_file_options::add_to(CLI::App& verb) {
    verb.add_option("--key-file", path, "the key; - is stdin")->required()->type_name("FILE");
    verb.add_option("--key-format", format, "raw (default) or hex")->type_name("FORMAT");
}

secret key_file_options::read(const crypto_mode_info& mode) const {
    return read_mode_key(path, parse_key_format("--key-format", format), mode);
}

} // namespace blkcrypto::cli
