// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/kernel_mount.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace blkcrypto::test {
namespace {

constexpr std::uint64_t superblock_uuid_offset = 1024 + 0x68;

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

void require(bool done, const std::string& what) {
    if (!done)
        fail(what);
}

template <typename Argument>
void require_ioctl(int file, unsigned long request, Argument& argument, const char* what) {
    require(::ioctl(file, request, &argument) == 0, what);
}

// An argument of the kernel's that ends in an array, with room for that. All zero.
template <typename Head, std::size_t TailBytes>
class argument_with_tail {
  public:
    Head& head() { return *reinterpret_cast<Head*>(bytes_); }
    std::byte* tail() { return bytes_ + sizeof(Head); }

  private:
    alignas(Head) std::byte bytes_[sizeof(Head) + TailBytes]{};
};

fscrypt_key_specifier specifier_of(const fsdemo::key_identifier& identifier) {
    fscrypt_key_specifier specifier{};
    specifier.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
    std::ranges::copy(identifier, reinterpret_cast<std::byte*>(specifier.u.identifier));
    return specifier;
}

} // namespace

file_descriptor::file_descriptor(const std::string& path, int flags, mode_t mode)
    : number_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {
    require(number_ >= 0, path);
}

file_descriptor::~file_descriptor() {
    if (number_ >= 0)
        ::close(number_);
}

kernel_mount::kernel_mount(const std::string& path, const std::string& image)
    : path_(path), root_(path, O_RDONLY | O_DIRECTORY), image_(image, O_RDONLY) {}

std::array<std::byte, 16> kernel_mount::uuid() const {
    std::array<std::byte, 16> uuid;
    std::ranges::copy(read_image(superblock_uuid_offset, uuid.size()), uuid.begin());
    return uuid;
}

result<fsdemo::key_identifier> kernel_mount::add_key(bytes_view raw_key) const {
    argument_with_tail<fscrypt_add_key_arg, FSCRYPT_MAX_KEY_SIZE> argument;
    argument.head().key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
    argument.head().raw_size = static_cast<__u32>(raw_key.size());
    std::ranges::copy(raw_key, argument.tail());
    if (::ioctl(root_.number(), FS_IOC_ADD_ENCRYPTION_KEY, &argument) != 0)
        return make_error(errno);
    fsdemo::key_identifier identifier;
    std::ranges::copy(std::as_bytes(std::span(argument.head().key_spec.u.identifier)), identifier.begin());
    return identifier;
}

result<fsdemo::keyring::removal> kernel_mount::remove_key(const fsdemo::key_identifier& identifier) const {
    fscrypt_remove_key_arg argument{};
    argument.key_spec = specifier_of(identifier);
    if (::ioctl(root_.number(), FS_IOC_REMOVE_ENCRYPTION_KEY, &argument) != 0)
        return make_error(errno);
    const auto has = [&](__u32 flag) { return (argument.removal_status_flags & flag) != 0; };
    return fsdemo::keyring::removal{has(FSCRYPT_KEY_REMOVAL_STATUS_FLAG_FILES_BUSY),
                                    has(FSCRYPT_KEY_REMOVAL_STATUS_FLAG_OTHER_USERS)};
}

fsdemo::key_status kernel_mount::key_status(const fsdemo::key_identifier& identifier) const {
    fscrypt_get_key_status_arg argument{};
    argument.key_spec = specifier_of(identifier);
    require_ioctl(root_.number(), FS_IOC_GET_ENCRYPTION_KEY_STATUS, argument, "key status");
    return static_cast<fsdemo::key_status>(argument.status);
}

int kernel_mount::set_policy(const std::string& directory, bytes_view policy) const {
    const file_descriptor opened(path_of(directory), O_RDONLY | O_DIRECTORY);
    return ::ioctl(opened.number(), FS_IOC_SET_ENCRYPTION_POLICY, policy.data()) == 0 ? 0 : errno;
}

std::array<std::byte, fsdemo::policy_size_bytes> kernel_mount::get_policy(const std::string& name) const {
    const file_descriptor opened(path_of(name), O_RDONLY);
    fscrypt_get_policy_ex_arg argument{};
    argument.policy_size = sizeof(argument.policy);
    require_ioctl(opened.number(), FS_IOC_GET_ENCRYPTION_POLICY_EX, argument, "policy");
    std::array<std::byte, fsdemo::policy_size_bytes> policy;
    static_assert(sizeof(argument.policy.v2) == sizeof(policy));
    std::ranges::copy(std::as_bytes(std::span(&argument.policy.v2, 1)), policy.begin());
    return policy;
}

std::vector<std::byte> kernel_mount::raw_block(const file_descriptor& file, std::uint64_t index) const {
    argument_with_tail<struct fiemap, sizeof(fiemap_extent)> argument;
    const std::uint64_t offset = index * block_bytes;
    argument.head().fm_start = offset;
    argument.head().fm_length = block_bytes;
    argument.head().fm_extent_count = 1;
    require_ioctl(file.number(), FS_IOC_FIEMAP, argument, "fiemap");
    const auto& extent = *reinterpret_cast<const fiemap_extent*>(argument.tail());
    if (argument.head().fm_mapped_extents != 1 || extent.fe_logical > offset)
        throw std::runtime_error("a block that was written is not mapped");
    return read_image(extent.fe_physical + (offset - extent.fe_logical), block_bytes);
}

std::vector<std::byte> kernel_mount::read_image(std::uint64_t offset, std::size_t size_bytes) const {
    std::vector<std::byte> bytes(size_bytes);
    require(::pread(image_.number(), bytes.data(), size_bytes, static_cast<off_t>(offset)) ==
                static_cast<ssize_t>(size_bytes),
            "read of the image");
    return bytes;
}

fsdemo::crypto_nonce nonce_of(const file_descriptor& file) {
    fsdemo::crypto_nonce nonce;
    require_ioctl(file.number(), FS_IOC_GET_ENCRYPTION_NONCE, nonce, "nonce");
    return nonce;
}

std::uint32_t inode_of(const file_descriptor& file) {
    struct stat status {};
    require(::fstat(file.number(), &status) == 0, "inode number");
    return static_cast<std::uint32_t>(status.st_ino);
}

void write_at(const file_descriptor& file, std::uint64_t offset, bytes_view data) {
    require(::pwrite(file.number(), data.data(), data.size(), static_cast<off_t>(offset)) ==
                static_cast<ssize_t>(data.size()),
            "write");
}

void write_back(const file_descriptor& file) {
    require(::fsync(file.number()) == 0, "fsync");
}

} // namespace blkcrypto::test
