// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file named on a command line, or a standard stream: a descriptor, and the name that messages use. Reading
// and writing go on after signals and short counts. All errors are program_error: exit code 2 while a file is
// being opened (it is unusable), 1 once its data flows.

#include "blkcrypto/base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace blkcrypto::cli {

/// The name that stands for stdin or stdout in place of a file.
inline constexpr const char* standard_stream = "-";

class file {
  public:
    /// For reading; "-" is stdin. Directories are refused.
    static file open_input(const std::string& path);

    /// For writing, created where it does not exist, but NOT truncated: the caller still has to see whether
    /// it is one of its inputs. "-" is stdout.
    static file open_output(const std::string& path);

    file(file&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)),
          is_new_(std::exchange(other.is_new_, false)) {}
    file& operator=(file&&) = delete;
    ~file();

    const std::string& name() const noexcept { return name_; }

    /// Both lead to the same regular file, block device or named pipe, by whatever path.
    bool is_same_as(const file& other) const;

    /// The same of a path, which is not opened: opening a named pipe may wait for ever.
    bool is_same_as(const std::string& path) const;

    /// How many bytes can be read from here on, where that is known before reading: regular files, block
    /// devices.
    std::optional<std::uint64_t> remaining_bytes() const;

    /// Drops the old content of a regular file; does nothing to others and to standard streams.
    void truncate();

    /// Reads until `into` is full or the input ends; the count is short only at the end.
    std::size_t read(bytes_span into);

    void write(bytes_view from);
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

    /// Reports what only shows at the end. To be called once all is written.
    void close();

    /// open_output() has made it.
    bool is_new() const noexcept { return is_new_; }

    /// Leaves no name of a file that open_output() has made.
    void remove_if_new() noexcept;

    /// What is read at the one is missing at the other, or the same: two names of one file, pipe, terminal or
    /// other device; "-" is stdin. Opens nothing. False if either cannot be looked at.
    static bool are_same_input(const std::string& one, const std::string& other);

  private:
    file(int fd, std::string name) noexcept : fd_(fd), name_(std::move(name)) {}
    bool is_standard() const noexcept { return fd_ <= 2; }

    int fd_;
    std::string name_;
    bool is_new_ = false;
};

} // namespace blkcrypto::cli
