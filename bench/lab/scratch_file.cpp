// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/scratch_file.hpp"

#include "bench/image_files.hpp"
#include "bench/lab/lab_figures.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <span>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <vector>

namespace blkcrypto::bench {
namespace {

// 0 if nobody knows.
std::uint64_t free_bytes(const std::string& directory) {
    struct statvfs room {};
    return statvfs(directory.c_str(), &room) == 0 ? std::uint64_t{room.f_bavail} * room.f_frsize : 0;
}

bool is_there(const std::string& path) {
    struct stat found {};
    return lstat(path.c_str(), &found) == 0;
}

} // namespace

// What is there is locked before it loses its contents: another process may be using it.
scratch_file scratch_file::named(const std::string& path, std::uint64_t size_bytes, bool overwrite) {
    const bool was_there = is_there(path);
    check_image_files(path, std::span(&path, 1), overwrite);
    scratch_file made(path, true);
    if (was_there)
        made.lock_ = cli::image_lock::take(path, cli::image_use::write);
    create_image_files(std::span(&path, 1), size_bytes, overwrite);
    made.is_kept_ = was_there;
    if (!was_there)
        made.lock_ = cli::image_lock::take(path, cli::image_use::write);
    return made;
}

scratch_file scratch_file::temporary(const std::string& directory, std::uint64_t size_bytes) {
    std::string name = directory + "/blkbench-strategies.XXXXXX";
    file_descriptor made(mkostemp(name.data(), O_CLOEXEC));
    if (!made || unlink(name.c_str()) != 0)
        throw cli::file_error(cli::exit_failed, name, errno);
    const std::string path = fmt::format("/proc/self/fd/{}", made.get());
    if (const std::error_code error = create_image(path, {size_bytes}, true))
        throw cli::file_error(cli::exit_failed, "a temporary file in " + directory, error.value());
    scratch_file file(path, true);
    file.file_ = std::move(made);
    return file;
}

scratch_file::~scratch_file() {
    if (!is_kept_)
        (void)unlink(path_.c_str());
}

// The question is what keys cost: where memory is the medium, that shows.
std::string temporary_directory(std::uint64_t size_bytes) {
    const char* const named = std::getenv("TMPDIR");
    std::vector<std::string> places{"/dev/shm", "/tmp"};
    if (named != nullptr && *named != '\0')
        places = {named};
    for (const std::string& place : places)
        if (access(place.c_str(), W_OK | X_OK) == 0 && free_bytes(place) / 2 >= size_bytes)
            return place;
    const std::string& last = places.back();
    if (access(last.c_str(), W_OK | X_OK) != 0)
        throw cli::file_error(cli::exit_failed, last, errno);
    throw cli::program_error(
        cli::exit_failed, last,
        fmt::format("temporary images of {} would take more than half of what is free; --filename is for "
                    "another place, or fewer --files or --extents-per-file",
                    bytes_text(static_cast<double>(size_bytes))),
        ENOSPC);
}

void check_room(const std::string& directory, std::uint64_t size_bytes) {
    if (free_bytes(directory) < size_bytes)
        throw cli::program_error(cli::exit_failed, directory,
                                 fmt::format("no room for {}, the image and its copy",
                                             bytes_text(static_cast<double>(size_bytes))),
                                 ENOSPC);
}

} // namespace blkcrypto::bench
