// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/image_file.hpp"

#include <bit>
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace blkcrypto {
namespace {

// Enough for every filesystem and disk that does not say what it needs.
constexpr std::uint32_t cautious_alignment_bytes = 4096;

int kind_error(mode_t mode) {
    if (S_ISDIR(mode))
        return EISDIR;
    return S_ISREG(mode) || S_ISBLK(mode) ? 0 : ENOTBLK;
}

// Looked at before it is opened: opening a FIFO would block, opening a device node can have effects.
int path_error(const std::string& path) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0)
        return errno;
    return kind_error(status.st_mode);
}

bool is_in_memory(int fd) {
    struct statfs filesystem;
    return fstatfs(fd, &filesystem) == 0 &&
           (filesystem.f_type == TMPFS_MAGIC || filesystem.f_type == RAMFS_MAGIC);
}

/// What direct I/O asks for. False if the file, though open for it, does not have it.
bool find_alignment(image_file& file, int fd) {
    file.memory_alignment_bytes = file.offset_alignment_bytes = cautious_alignment_bytes;
    struct statx status {};
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0 || (status.stx_mask & STATX_DIOALIGN) == 0)
        return true;
    file.memory_alignment_bytes = status.stx_dio_mem_align;
    file.offset_alignment_bytes = status.stx_dio_offset_align;
    return std::has_single_bit(status.stx_dio_mem_align) && std::has_single_bit(status.stx_dio_offset_align);
}

/// The file once more, past the page cache; none where that cannot be had for all blocks.
void open_direct(image_file& file, int flags, std::uint32_t block_bytes) {
    file_descriptor direct(open(file.path.c_str(), flags | O_DIRECT));
    if (!direct)
        return;
    if (find_alignment(file, direct.get()) && file.offset_alignment_bytes <= block_bytes)
        file.direct = std::move(direct);
    else
        file.memory_alignment_bytes = file.offset_alignment_bytes = 1;
}

int truncate_to(int fd, byte_count size) {
    return ftruncate(fd, static_cast<off_t>(size.value)) == 0 ? 0 : errno;
}

// Not posix_fallocate(): where the filesystem cannot allocate, that writes to every block.
int allocate(int fd, byte_count size) {
    if (size.value == 0)
        return 0;
    int error = 0;
    do
        error = fallocate(fd, 0, 0, static_cast<off_t>(size.value)) == 0 ? 0 : errno;
    while (error == EINTR);
    return error == EOPNOTSUPP || error == ENOSYS ? truncate_to(fd, size) : error;
}

int replace_contents(const std::string& path, byte_count size) {
    struct stat status;
    const file_descriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!file || fstat(file.get(), &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EINVAL;
    const int error = truncate_to(file.get(), {0});
    return error != 0 ? error : allocate(file.get(), size);
}

// Some kernels open it for writing all the same, and fail the writes.
bool is_read_only_device(int fd) {
    int is_read_only = 0;
    return ioctl(fd, BLKROGET, &is_read_only) == 0 && is_read_only != 0;
}

} // namespace

file_descriptor::~file_descriptor() {
    if (fd_ >= 0)
        close(fd_);
}

result<image_file> image_file::open(const std::string& path, bool read_only, direct_io direct,
                                    std::uint32_t block_bytes) {
    if (const int error = path_error(path))
        return make_error(error);
    const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    image_file file;
    file.path = path;
    file.buffered = file_descriptor(::open(path.c_str(), flags));
    if (!file.buffered)
        return make_error(errno);
    if (!read_only && is_read_only_device(file.buffered.get()))
        return make_error(EROFS);
    const off_t end = lseek(file.buffered.get(), 0, SEEK_END); // block devices have no st_size
    if (end < 0)
        return make_error(errno);
    file.size = {static_cast<std::uint64_t>(end)};
    file.in_memory = is_in_memory(file.buffered.get());
    if (direct == direct_io::automatic && !file.in_memory)
        open_direct(file, flags, block_bytes);
    return file;
}

std::error_code create_image(const std::string& path, byte_count size, bool overwrite) {
    if (size.value > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()))
        return make_error(EFBIG);
    const file_descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) {
        const int error = errno;
        return make_error(error == EEXIST && overwrite ? replace_contents(path, size) : error);
    }
    const int error = allocate(file.get(), size);
    if (error != 0)
        unlink(path.c_str());
    return make_error(error);
}

} // namespace blkcrypto
