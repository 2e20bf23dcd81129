// SPDX-License-Identifier: Apache-2.0
#pragma once
// A mounted ext4 image and what the running kernel does with keys and policies on it, by ioctl, in the words
// of fsdemo's headers. Used by kernel_fscrypt. A call that must not fail throws std::system_error.

#include "fsdemo/keyring.hpp"

#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>

namespace blkcrypto::test {

class file_descriptor {
  public:
    explicit file_descriptor(const std::string& path, int flags, mode_t mode = 0600);
    file_descriptor(file_descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    ~file_descriptor();

    int number() const noexcept { return number_; }

  private:
    int number_;
};

class kernel_mount {
  public:
    /// `image` is mounted at `path` and can be read while it is.
    kernel_mount(const std::string& path, const std::string& image);

    std::string path_of(const std::string& name) const { return path_ + "/" + name; }
    /// Of the filesystem: the superblock's.
    std::array<std::byte, 16> uuid() const;

    /// FS_IOC_ADD_ENCRYPTION_KEY. An errno instead where the kernel does without fscrypt.
    result<fsdemo::key_identifier> add_key(bytes_view raw_key) const;
    result<fsdemo::keyring::removal> remove_key(const fsdemo::key_identifier& identifier) const;
    fsdemo::key_status key_status(const fsdemo::key_identifier& identifier) const;

    /// FS_IOC_SET_ENCRYPTION_POLICY: its errno, or 0. The bytes are as many as their version has.
    int set_policy(const std::string& directory, bytes_view policy) const;
    /// FS_IOC_GET_ENCRYPTION_POLICY_EX.
    std::array<std::byte, fsdemo::policy_size_bytes> get_policy(const std::string& name) const;

    /// The bytes on the medium of a block of a file, which has been written back.
    std::vector<std::byte> raw_block(const file_descriptor& file, std::uint64_t index) const;

    static constexpr std::size_t block_bytes = 4096;

  private:
    std::vector<std::byte> read_image(std::uint64_t offset, std::size_t size_bytes) const;

    std::string path_;
    file_descriptor root_;
    file_descriptor image_;
};

/// FS_IOC_GET_ENCRYPTION_NONCE.
fsdemo::crypto_nonce nonce_of(const file_descriptor& file);
std::uint32_t inode_of(const file_descriptor& file);
void write_at(const file_descriptor& file, std::uint64_t offset, bytes_view data);
void write_back(const file_descriptor& file);

} // namespace blkcrypto::test
