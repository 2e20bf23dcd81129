// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/image_lock.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace blkcrypto::cli {

// Looked at before it is opened: opening a FIFO or a device node can have effects.
image_lock image_lock::take(const std::string& image, image_use use) {
    struct stat found {};
    if (stat(image.c_str(), &found) != 0)
        throw file_error(exit_unusable, image, errno);
    if (S_ISDIR(found.st_mode))
        throw file_error(exit_unusable, image, EISDIR);
    if (!S_ISREG(found.st_mode) && !S_ISBLK(found.st_mode))
        throw unusable(image, "neither a regular file nor a block device", ENOTBLK);
    file_descriptor file(::open(image.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file)
        throw file_error(exit_unusable, image, errno);
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
