// SPDX-License-Identifier: Apache-2.0
#pragma once
// An image file for one test, in the current directory or else in TMPDIR, gone afterwards. And the question
// whether this machine lets us have a ring.

#include "blkcrypto/base/bytes.hpp"

#include <string>
#include <vector>

namespace blkcrypto::test {

/// A path at which there is nothing yet, in `folder`, or else in a directory that can be written.
std::string temporary_path(const char* folder = nullptr);

class temporary_image {
  public:
    explicit temporary_image(std::uint64_t size_bytes, const char* folder = nullptr);
    ~temporary_image();
    temporary_image(const temporary_image&) = delete;
    temporary_image& operator=(const temporary_image&) = delete;

    const std::string& path() const noexcept { return path_; }
    void resize(std::uint64_t size_bytes) const;

    /// What is in the file, by plain pread(2) and pwrite(2).
    std::vector<std::byte> read_back(std::uint64_t offset_bytes, std::size_t size_bytes) const;
    void overwrite(std::uint64_t offset_bytes, bytes_view data) const;

  private:
    const std::string path_;
};

/// False, with a line that says why, where io_uring is not to be had.
bool have_uring();

} // namespace blkcrypto::test
