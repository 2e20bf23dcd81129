// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/file.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::cli {
namespace {

struct stat status_of(int fd, const std::string& name) {
    struct stat status {};
    if (fstat(fd, &status) != 0)
        throw file_error(exit_unusable, name, errno);
    return status;
}

int try_open(const std::string& path, int flags) {
    constexpr mode_t permissions = 0666; // the umask takes its part
    return ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, permissions);
}

int open_or_throw(const std::string& path, int flags) {
    const int fd = try_open(path, flags);
    if (fd < 0)
        throw file_error(exit_unusable, path, errno);
    return fd;
}

bool are_same(const struct stat& one, const struct stat& other) {
    if (S_ISBLK(one.st_mode) && S_ISBLK(other.st_mode))
        return one.st_rdev == other.st_rdev;
    const bool keeps_data = S_ISREG(one.st_mode) || S_ISFIFO(one.st_mode);
    return keeps_data && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// What is made through a link that leads to nothing is where it leads to.
std::string behind_dangling_links(const std::string& path) {
    constexpr int links_max = 40;
    std::filesystem::path place = path;
    std::error_code ignored; // opening it says what is wrong
    for (int i = 0; i < links_max && is_symlink(place, ignored) && !exists(place, ignored); ++i)
        place = place.parent_path() / read_symlink(place, ignored);
    return place.string();
}

} // namespace

file file::open_input(const std::string& path) {
    file opened =
        path == standard_stream ? file(STDIN_FILENO, "stdin") : file(open_or_throw(path, O_RDONLY), path);
    if (S_ISDIR(status_of(opened.fd_, opened.name_).st_mode))
        throw file_error(exit_unusable, opened.name_, EISDIR);
    return opened;
}

file file::open_output(const std::string& typed) {
    if (typed == standard_stream)
        return {STDOUT_FILENO, "stdout"};
    const std::string path = behind_dangling_links(typed);
    const int made = try_open(path, O_WRONLY | O_CREAT | O_EXCL);
    if (made < 0)
        return {open_or_throw(path, O_WRONLY | O_CREAT), path};
    file opened(made, path);
    opened.is_new_ = true;
    return opened;
}

file::~file() {
    if (fd_ >= 0 && !is_standard())
        ::close(fd_);
}

bool file::is_same_as(const file& other) const {
    return are_same(status_of(fd_, name_), status_of(other.fd_, other.name_));
}

bool file::is_same_as(const std::string& path) const {
    struct stat other {};
    return stat(path.c_str(), &other) == 0 && are_same(status_of(fd_, name_), other);
}

bool file::are_same_input(const std::string& one, const std::string& other) {
    const auto look_at = [](const std::string& path, struct stat& found) {
        return (path == standard_stream ? fstat(STDIN_FILENO, &found) : stat(path.c_str(), &found)) == 0;
    };
    struct stat first {};
    struct stat second {};
    if (!look_at(one, first) || !look_at(other, second))
        return false;
    if (S_ISCHR(first.st_mode) && S_ISCHR(second.st_mode))
        return first.st_rdev == second.st_rdev;
    return are_same(first, second);
}

std::optional<std::uint64_t> file::remaining_bytes() const {
    const struct stat status = status_of(fd_, name_);
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
        return std::nullopt;
    const off_t here = lseek(fd_, 0, SEEK_CUR);
    const off_t end = lseek(fd_, 0, SEEK_END);
    if (here < 0 || end < 0 || lseek(fd_, here, SEEK_SET) < 0)
        return std::nullopt;
    return end > here ? static_cast<std::uint64_t>(end - here) : 0;
}

void file::truncate() {
    if (is_standard() || !S_ISREG(status_of(fd_, name_).st_mode))
        return;
    if (ftruncate(fd_, 0) != 0)
        throw file_error(exit_unusable, name_, errno);
}

std::size_t file::read(bytes_span into) {
    std::size_t done = 0;
    while (done < into.size()) {
        const ssize_t got = ::read(fd_, into.data() + done, into.size() - done);
        if (got == 0)
            break;
        if (got > 0)
            done += static_cast<std::size_t>(got);
        else if (errno != EINTR)
            throw file_error(exit_failed, name_, errno);
    }
    return done;
}

void file::write(bytes_view from) {
    while (!from.empty()) {
        const ssize_t put = ::write(fd_, from.data(), from.size());
        if (put >= 0)
            from = from.subspan(static_cast<std::size_t>(put));
        else if (errno != EINTR)
            throw file_error(exit_failed, name_, errno);
    }
}

void file::remove_if_new() noexcept {
    if (std::exchange(is_new_, false))
        (void)unlink(name_.c_str());
}

void file::close() {
    const int fd = std::exchange(fd_, -1);
    if (fd <= STDERR_FILENO)
        return;
    if (::close(fd) != 0 && errno != EINTR)
        throw file_error(exit_failed, name_, errno);
}

} // namespace blkcrypto::cli
