// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/placed_file.hpp"

#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

std::string real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
    return real ? real.get() : std::filesystem::absolute(path).string();
}

// Not what a process before had that was killed, and had the same number maybe.
std::string random_suffix() {
    std::random_device random;
    return fmt::format("{:08x}{:08x}", random(), random());
}

// renameat2(2) where the filesystem, or the kernel, has no such flag.
bool is_flag_unknown(int error) noexcept {
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

// link(2) says EPERM where the filesystem has no hard links.
int link_or_errno(const std::string& from, const std::string& to) noexcept {
    if (link(from.c_str(), to.c_str()) == 0)
        return 0;
    return errno == EPERM || errno == ENOSYS ? EOPNOTSUPP : errno;
}

int rename_with(unsigned flag, const std::string& from, const std::string& to) noexcept {
    return renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flag) == 0 ? 0 : errno;
}

} // namespace

placed_file::placed_file(const std::string& target)
    : target_(real_path(target)), path_(fmt::format("{}.new-{}", target_, random_suffix())),
      old_path_(fmt::format("{}.old-{}", target_, random_suffix())) {}

placed_file::~placed_file() {
    if (state_ == state::made)
        (void)unlink(path_.c_str());
    else if (state_ == state::placed)
        (void)(has_old_ ? rename(old_path_.c_str(), target_.c_str()) : unlink(target_.c_str()));
}

bool placed_file::is_target_there() const {
    struct stat found {};
    return lstat(target_.c_str(), &found) == 0;
}

// At every moment either the old file or the new one has the name.
std::error_code placed_file::put_in_place(bool replace) {
    has_old_ = replace && is_target_there();
    if (const int error = has_old_ ? take_place() : take_name())
        return make_error(error);
    state_ = state::placed;
    return sync_directory();
}

int placed_file::take_name() const noexcept {
    const int error = rename_with(RENAME_NOREPLACE, path_, target_);
    if (!is_flag_unknown(error))
        return error;
    const int link_error = link_or_errno(path_, target_);
    if (link_error == 0)
        (void)unlink(path_.c_str());
    return link_error;
}

// Of what is there, which gets another name.
int placed_file::take_place() const noexcept {
    struct stat found {};
    if (lstat(target_.c_str(), &found) == 0 && S_ISDIR(found.st_mode))
        return EISDIR;
    const int error = rename_with(RENAME_EXCHANGE, path_, target_);
    if (error == 0) {
        const int old_error = rename_with(0, path_, old_path_);
        if (old_error != 0)
            (void)rename_with(RENAME_EXCHANGE, path_, target_);
        return old_error;
    }
    if (!is_flag_unknown(error))
        return error;
    const int link_error = link_or_errno(target_, old_path_);
    if (link_error != 0)
        return link_error;
    const int rename_error = rename_with(0, path_, target_);
    if (rename_error != 0)
        (void)unlink(old_path_.c_str());
    return rename_error;
}

void placed_file::keep() noexcept {
    if (state_ == state::placed && has_old_)
        (void)unlink(old_path_.c_str());
    state_ = state::kept;
}

std::error_code placed_file::sync_directory() const {
    const std::string directory = target_.substr(0, target_.rfind('/') + 1);
    const file_descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return make_error(!opened || fsync(opened.get()) != 0 ? errno : 0);
}

void fail_to_place(const std::string& path, std::error_code error) {
    if (error == make_error(EOPNOTSUPP))
        throw cli::unusable(path, "its filesystem has neither RENAME_NOREPLACE nor hard links", EOPNOTSUPP);
    cli::fail_to_make(path, error);
}

} // namespace blkcrypto::tools
