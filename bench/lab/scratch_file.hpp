// SPDX-License-Identifier: Apache-2.0
#pragma once
// An image file of the lab: one that the user named, locked as all programs lock an image that they write; or
// a temporary one, which has no name any more when it is used, so that nothing is left of it however the
// program ends.

#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/tools/cli/image_lock.hpp"

#include <optional>

namespace blkcrypto::bench {

class scratch_file {
  public:
    /// A file of that name, of zeros, which stays once keep() was called. program_error: exit code 1 if there
    /// is one already, unless `overwrite`, or for no room; 2 if it cannot be one.
    static scratch_file named(const std::string& path, std::uint64_t size_bytes, bool overwrite);
    /// program_error.
    static scratch_file temporary(const std::string& directory, std::uint64_t size_bytes);

    scratch_file(scratch_file&& other) noexcept
        : path_(std::move(other.path_)), file_(std::move(other.file_)), lock_(std::move(other.lock_)),
          is_kept_(std::exchange(other.is_kept_, true)) {}
    scratch_file& operator=(scratch_file&&) = delete;
    ~scratch_file();

    /// What this process opens it by.
    const std::string& path() const noexcept { return path_; }
    void keep() noexcept { is_kept_ = true; }

  private:
    scratch_file(std::string path, bool is_kept) : path_(std::move(path)), is_kept_(is_kept) {}

    std::string path_;                    // of a temporary file, by its descriptor
    file_descriptor file_;                // of one
    std::optional<cli::image_lock> lock_; // of a named one
    bool is_kept_;
};

/// Where temporary files of so many bytes go: $TMPDIR, or without that memory or /tmp, the first that has
/// twice the room. Nobody asked for them there: program_error, exit code 1, if that would be more than half
/// of what is free.
std::string temporary_directory(std::uint64_t size_bytes);

/// program_error, exit code 1, if `directory` has no room for so many bytes.
void check_room(const std::string& directory, std::uint64_t size_bytes);

} // namespace blkcrypto::bench
