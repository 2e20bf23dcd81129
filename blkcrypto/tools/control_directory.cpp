// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/control_directory.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

// Of the user, as the specification of XDG_RUNTIME_DIR wants it: with sudo it is somebody else's.
bool is_runtime_directory(const std::string& path) {
    struct stat found {};
    return path.starts_with('/') && stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode) &&
           found.st_uid == geteuid();
}

std::string choose_path() {
    const char* const named = std::getenv("XDG_RUNTIME_DIR");
    if (named != nullptr && is_runtime_directory(named))
        return fmt::format("{}/blkcrypto", named);
    const std::string usual = fmt::format("/run/user/{}", geteuid());
    if (is_runtime_directory(usual))
        return usual + "/blkcrypto";
    return fmt::format("/tmp/blkcrypto-{}", geteuid());
}

} // namespace

control_directory control_directory::make() {
    const std::string path = choose_path();
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        throw cli::file_error(cli::exit_unusable, path, errno);
    auto opened = open(path);
    if (!opened)
        throw cli::file_error(cli::exit_unusable, path, ENOENT);
    return std::move(*opened);
}

std::optional<control_directory> control_directory::find() {
    return open(choose_path());
}

std::optional<control_directory> control_directory::open(const std::string& path) {
    file_descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory && errno == ENOENT)
        return std::nullopt;
    struct stat found {};
    if (!directory || fstat(directory.get(), &found) != 0)
        throw cli::file_error(cli::exit_unusable, path, errno);
    if (found.st_uid != geteuid())
        throw cli::unusable(path, "the directory of control sockets belongs to somebody else", EPERM);
    if ((found.st_mode & 077) != 0)
        throw cli::unusable(path, "the directory of control sockets is open to others; mode 0700 is right",
                            EPERM);
    return control_directory(path, std::move(directory));
}

std::vector<std::string> control_directory::sockets() const {
    const int again = openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(again < 0 ? nullptr : fdopendir(again), &closedir);
    if (!listing)
        throw cli::file_error(cli::exit_unusable, path_, errno);
    std::vector<std::string> names;
    for (const dirent* entry = readdir(listing.get()); entry != nullptr; entry = readdir(listing.get())) {
        const std::string name = entry->d_name;
        if (name.ends_with(".sock"))
            names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

bool control_directory::has(const std::string& name) const noexcept {
    return faccessat(directory_.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

sockaddr_un control_directory::address_of(const std::string& name) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = fmt::format("/proc/self/fd/{}/{}", directory_.get(), name);
    if (path.size() >= sizeof(address.sun_path))
        throw cli::unusable(name, "no name of a control socket", ENAMETOOLONG);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

int control_directory::rename(const std::string& from, const std::string& to) const noexcept {
    return renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) == 0 ? 0 : errno;
}

void control_directory::remove(const std::string& name) const noexcept {
    (void)unlinkat(directory_.get(), name.c_str(), 0);
}

} // namespace blkcrypto::tools
