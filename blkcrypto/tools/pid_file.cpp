// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/pid_file.hpp"

#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

// The errno of what failed, or 0.
int write_pid(const std::string& path, struct stat& made) {
    (void)unlink(path.c_str()); // of a process that had the same number
    const file_descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    const std::string text = fmt::format("{}\n", getpid());
    if (!file || fstat(file.get(), &made) != 0)
        return errno;
    const ssize_t put = write(file.get(), text.data(), text.size());
    if (put < 0)
        return errno;
    return static_cast<std::size_t>(put) == text.size() ? 0 : ENOSPC; // which is why so few bytes are cut
}

} // namespace

pid_file::pid_file(const std::string& path)
    : path_(std::filesystem::absolute(path).lexically_normal().string()) {
    const std::string unfinished = fmt::format("{}.new-{}", path_, getpid());
    struct stat made {};
    int error = write_pid(unfinished, made);
    if (error == 0 && rename(unfinished.c_str(), path_.c_str()) != 0)
        error = errno;
    if (error != 0) {
        (void)unlink(unfinished.c_str());
        throw cli::file_error(cli::exit_unusable, path, error);
    }
    device_ = made.st_dev;
    inode_ = made.st_ino;
}

pid_file::~pid_file() {
    struct stat now {};
    if (lstat(path_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_)
        (void)unlink(path_.c_str());
}

} // namespace blkcrypto::tools
