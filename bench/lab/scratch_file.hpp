// SPDX-License-Identifier: Apache-2.0
#pragma once
// An image file of the lab: made, locked as all programs lock an image that they write, and removed at the
// end unless the user gave it its name.

#include "blkcrypto/tools/cli/image_lock.hpp"

#include <optional>

namespace blkcrypto::bench {

class scratch_file {
  public:
    /// A file of that name, of zeros, which stays once keep() was called. program_error: exit code 2 if there
    /// is one already, unless `overwrite`, or if it cannot be one; 1 for no room.
    static scratch_file named(const std::string& path, std::uint64_t size_bytes, bool overwrite);
    /// A new file whose name begins so. program_error.
    static scratch_file temporary(const std::string& begins_with, std::uint64_t size_bytes);

    scratch_file(scratch_file&& other) noexcept
        : path_(std::move(other.path_)), lock_(std::move(other.lock_)),
          is_kept_(std::exchange(other.is_kept_, true)) {}
    scratch_file& operator=(scratch_file&&) = delete;
    ~scratch_file();

    const std::string& path() const noexcept { return path_; }
    void keep() noexcept { is_kept_ = true; }

  private:
    scratch_file(std::string path, bool is_kept) : path_(std::move(path)), is_kept_(is_kept) {}

    std::string path_;
    std::optional<cli::image_lock> lock_;
    bool is_kept_;
};

/// Where temporary files go: $TMPDIR or /tmp.
std::string temporary_directory();

} // namespace blkcrypto::bench
