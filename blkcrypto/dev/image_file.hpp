// SPDX-License-Identifier: Apache-2.0
#pragma once
// The file that a device stands on: found, checked and opened twice, once for the page cache and once past it
// (O_DIRECT), with the rules that I/O past the cache has to keep. Used by image_device; programs create
// images with it. It does no I/O on the data.

#include "blkcrypto/base/result.hpp"
#include "blkcrypto/base/units.hpp"

#include <string>
#include <utility>

namespace blkcrypto {

/// Owns a file descriptor, or none.
class file_descriptor {
  public:
    file_descriptor() = default;
    explicit file_descriptor(int fd) noexcept : fd_(fd) {}
    file_descriptor(file_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    file_descriptor& operator=(file_descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~file_descriptor();

    int get() const noexcept { return fd_; }
    /// Somebody else closes it.
    int release() noexcept { return std::exchange(fd_, -1); }
    explicit operator bool() const noexcept { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

/// Whether I/O goes past the page cache: where the file allows it, or never.
enum class direct_io : std::uint8_t { automatic, off };

struct image_file {
    std::string path;
    byte_count size{};
    file_descriptor buffered;
    file_descriptor direct; // none if not wanted, refused by the filesystem, for larger blocks only, or in
                            // memory. If there is one it is used for all I/O: the two do not mix
    bool in_memory = false; // tmpfs or its like: the page cache is all there is

    // What direct I/O asks of segments' addresses, and of offsets and lengths: powers of two.
    std::uint32_t memory_alignment_bytes = 1;
    std::uint32_t offset_alignment_bytes = 1;

    /// An existing regular file or block device, for I/O in whole blocks. EISDIR for a directory, ENOTBLK for
    /// anything else; errno of stat(2) and open(2), such as ENOENT, EACCES, EROFS.
    static result<image_file> open(const std::string& path, bool read_only, direct_io direct,
                                   std::uint32_t block_bytes);
};

/// A new image of zeros with its space allocated, readable by its owner only. EEXIST if there is something at
/// the path, unless `overwrite`: then a regular file loses its contents, anything else is EISDIR or EINVAL.
/// ENOSPC before any data is written; errno of open(2), such as ENOENT for a missing directory.
std::error_code create_image(const std::string& path, byte_count size, bool overwrite);

} // namespace blkcrypto
