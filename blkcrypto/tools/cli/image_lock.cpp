// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/image_lock.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace blkcrypto::cli {

namespace {

// An exclusive lock is taken on what is open for writing: some network filesystems take no other. Of a file
// that cannot be written to, that is for whoever opens it for its data to say.
//
// A block device that is to be written is claimed as well: the kernel has one claim for all its nodes, and
// mounts and device mapper have it, too.
file_descriptor open_for_lock(const std::string& image, image_use use, bool is_device) {
    constexpr int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    const bool writes = use == image_use::write;
    const int claim = writes && is_device ? O_EXCL : 0;
    file_descriptor file(::open(image.c_str(), (writes ? O_RDWR : O_RDONLY) | claim | flags));
    if (!file && writes && (errno == EACCES || errno == EPERM || errno == EROFS))
        file = file_descriptor(::open(image.c_str(), O_RDONLY | claim | flags));
    if (!file && errno == EBUSY)
        throw unusable(image, "in use: mounted, or part of another device", EBUSY);
    if (!file)
        throw file_error(exit_unusable, image, errno);
    return file;
}

} // namespace

// Looked at before it is opened: opening a FIFO or a device node can have effects.
image_lock image_lock::take(const std::string& image, image_use use) {
    struct stat found {};
    if (stat(image.c_str(), &found) != 0)
        throw file_error(exit_unusable, image, errno);
    if (S_ISDIR(found.st_mode))
        throw file_error(exit_unusable, image, EISDIR);
    if (!S_ISREG(found.st_mode) && !S_ISBLK(found.st_mode))
        throw unusable(image, "neither a regular file nor a block device", ENOTBLK);
    file_descriptor file = open_for_lock(image, use, S_ISBLK(found.st_mode));
    if (flock(file.get(), (use == image_use::write ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            throw unusable(image, "in use by another process", EBUSY);
        throw file_error(exit_unusable, image, errno);
    }
    return image_lock(std::move(file));
}

void image_lock::check_still_at(const std::string& image) const {
    struct stat locked {};
    struct stat now {};
    if (fstat(file_.get(), &locked) != 0 || stat(image.c_str(), &now) != 0 || locked.st_dev != now.st_dev ||
        locked.st_ino != now.st_ino)
        throw unusable(image, "replaced while it was being opened", ESTALE);
}

image_lock image_lock::share() const {
    file_descriptor copy(fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy)
        throw file_error(exit_failed, "lock", errno);
    return image_lock(std::move(copy));
}

} // namespace blkcrypto::cli
