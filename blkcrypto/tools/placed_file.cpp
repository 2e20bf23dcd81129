// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/placed_file.hpp"

#include "blkcrypto/dev/image_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

std::string real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
    return real ? real.get() : std::filesystem::absolute(path).string();
}

} // namespace

placed_file::placed_file(const std::string& target)
    : target_(real_path(target)), path_(fmt::format("{}.new-{}", target_, getpid())),
      old_path_(fmt::format("{}.old-{}", target_, getpid())) {}

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
    if (has_old_ && link(target_.c_str(), old_path_.c_str()) != 0)
        return make_error(errno);
    const int failed =
        has_old_ ? rename(path_.c_str(), target_.c_str()) : link(path_.c_str(), target_.c_str());
    if (failed != 0) {
        const int error = errno;
        if (has_old_)
            (void)unlink(old_path_.c_str());
        return make_error(error);
    }
    state_ = state::placed;
    if (!has_old_)
        (void)unlink(path_.c_str());
    return sync_directory();
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

} // namespace blkcrypto::tools
