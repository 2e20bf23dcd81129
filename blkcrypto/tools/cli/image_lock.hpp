// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keeps other processes from using an image at the same time: flock(2), as all programs here take it.

#include "blkcrypto/dev/image_file.hpp"

#include <string>

namespace blkcrypto::cli {

/// Those that read share an image, one that writes has it alone.
enum class image_use : std::uint8_t { read, write };

/// flock(2) on a descriptor of its own, and of block devices that are written the kernel's claim (O_EXCL);
/// gone with the process, however it ends.
class image_lock {
  public:
    /// program_error, exit code 2: no regular file or block device, in use by another process or mounted
    /// (EBUSY).
    static image_lock take(const std::string& image, image_use use);
    /// To be called once the image has been opened by its name: that is still what is locked. program_error,
    /// exit code 2.
    void check_still_at(const std::string& image) const;
    /// Another owner of the same lock, which lasts until both are gone. program_error, exit code 1.
    image_lock share() const;

  private:
    explicit image_lock(file_descriptor&& file) noexcept : file_(std::move(file)) {}
    file_descriptor file_;
};

} // namespace blkcrypto::cli
