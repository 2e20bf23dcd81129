// SPDX-License-Identifier: Apache-2.0
#include "bench/image_files.hpp"

#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/tools/cli/file.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <vector>

namespace blkcrypto::bench {
namespace {

using cli::exit_unusable;
using cli::file_error;
using cli::unusable;

// Nothing if there is nothing; a link that leads nowhere is something.
std::optional<struct stat> look_at(const std::string& path) {
    struct stat found {};
    if (stat(path.c_str(), &found) == 0 || lstat(path.c_str(), &found) == 0)
        return found;
    if (errno != ENOENT)
        throw file_error(exit_unusable, path, errno);
    return std::nullopt;
}

std::string parent_of(const std::string& path) {
    const std::filesystem::path named = std::filesystem::path(path).parent_path();
    return named.empty() ? std::string(1, '.') : named.string();
}

// As creating `path` would say it: by the name that was typed.
void check_parent(const std::string& path) {
    const std::string parent = parent_of(path);
    struct stat found {};
    if (stat(parent.c_str(), &found) != 0)
        throw file_error(exit_unusable, path, errno);
    if (!S_ISDIR(found.st_mode))
        throw file_error(exit_unusable, path, ENOTDIR);
    if (access(parent.c_str(), W_OK | X_OK) != 0)
        throw file_error(exit_unusable, path, errno);
}

void check_replaceable(const std::string& path, const struct stat& found) {
    if (S_ISDIR(found.st_mode))
        throw file_error(exit_unusable, path, EISDIR);
    if (!S_ISREG(found.st_mode))
        throw unusable(path, "not a regular file", EINVAL);
    if (access(path.c_str(), R_OK | W_OK) != 0)
        throw file_error(exit_unusable, path, errno);
}

bool are_same(const struct stat& one, const struct stat& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// Where a file of that name is or would be made: links to it followed, also those that lead nowhere yet.
// Empty if it cannot be made.
std::filesystem::path real_path(std::filesystem::path path) {
    constexpr unsigned links_max = 40; // as in the kernel
    std::error_code error;
    for (unsigned i = 0; i < links_max && std::filesystem::is_symlink(path, error); ++i)
        path = path.parent_path() / std::filesystem::read_symlink(path, error);
    const auto parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    const auto real_parent = std::filesystem::canonical(parent, error);
    return error ? std::filesystem::path() : real_parent / path.filename();
}

struct space {
    dev_t filesystem;
    std::uint64_t free_bytes;
};

space look_at_space(const std::string& path) {
    struct stat found {};
    struct statvfs room {};
    if (stat(path.c_str(), &found) != 0 || statvfs(path.c_str(), &room) != 0)
        throw file_error(cli::exit_failed, path, errno);
    constexpr std::uint64_t unknown =
        std::numeric_limits<std::uint64_t>::max() / 2; // such as a tmpfs without limit
    const std::uint64_t blocks = geteuid() == 0 ? room.f_bfree : room.f_bavail;
    return {found.st_dev, room.f_blocks == 0 ? unknown : blocks * room.f_frsize};
}

std::uint64_t held_bytes(const std::string& image) {
    constexpr std::uint64_t stat_block_bytes = 512;
    struct stat found {};
    return stat(image.c_str(), &found) == 0 ? static_cast<std::uint64_t>(found.st_blocks) * stat_block_bytes
                                            : 0;
}

// An old image gives back what it holds before the new one takes what it needs.
void check_space(std::span<const std::string> images, std::uint64_t size_bytes) {
    std::vector<space> filesystems;
    for (const auto& image : images) {
        const space here = look_at_space(look_at(image) ? image : parent_of(image));
        auto known = std::ranges::find(filesystems, here.filesystem, &space::filesystem);
        if (known == filesystems.end())
            known = filesystems.insert(known, here);
        known->free_bytes += held_bytes(image);
        if (size_bytes > known->free_bytes)
            throw file_error(cli::exit_failed, image, ENOSPC);
        known->free_bytes -= size_bytes;
    }
}

// A place that has room but takes no files was a bad choice; everything else is bad luck.
int exit_code_of(std::error_code error) {
    return error == std::errc::no_such_file_or_directory || error == std::errc::permission_denied ||
                   error == std::errc::operation_not_permitted || error == std::errc::read_only_file_system
               ? exit_unusable
               : cli::exit_failed;
}

} // namespace

bool leads_to(const std::string& path, const std::string& other) {
    struct stat there {};
    struct stat at_other {};
    const int found =
        path == cli::standard_stream ? fstat(STDOUT_FILENO, &there) : stat(path.c_str(), &there);
    if (found == 0)
        return stat(other.c_str(), &at_other) == 0 && are_same(there, at_other);
    const auto real = real_path(path);
    return path != cli::standard_stream && !real.empty() && real == real_path(other);
}

void check_output_file(std::string_view option, const std::string& path) {
    const auto found = path == cli::standard_stream ? std::nullopt : look_at(path);
    if (path.empty() || path == cli::standard_stream)
        throw unusable(option, fmt::format("'{}' is not the name of a file", path));
    if (!found)
        check_parent(path);
    else if (S_ISDIR(found->st_mode))
        throw file_error(exit_unusable, path, EISDIR);
    else if (access(path.c_str(), W_OK) != 0)
        throw file_error(exit_unusable, path, errno);
}

void check_not_an_image(std::string_view option, const std::string& path,
                        std::span<const std::string> images) {
    for (const auto& image : images)
        if (leads_to(path, image))
            throw unusable(option, fmt::format("{} is the image {}",
                                               path == cli::standard_stream ? "stdout" : path, image));
}

void check_image_files(const std::string& base, std::span<const std::string> images, bool overwrite) {
    if (base.empty())
        throw unusable("--filename", "the name is empty");
    const auto at_base = look_at(base);
    if (at_base && S_ISDIR(at_base->st_mode))
        throw file_error(exit_unusable, base, EISDIR);
    check_parent(base);
    std::vector<struct stat> existing;
    for (const auto& image : images) {
        const auto found = look_at(image);
        if (!found)
            continue;
        if (!overwrite)
            throw cli::program_error(cli::exit_failed, image, "there already; --overwrite replaces it",
                                     EEXIST);
        check_replaceable(image, *found);
        for (const auto& other : existing)
            if (are_same(other, *found))
                throw unusable(image, "the same file as another of the images", EINVAL);
        existing.push_back(*found);
    }
}

void check_reused_images(const std::string& base, std::span<const std::string> images,
                         std::uint64_t size_bytes) {
    check_image_files(base, images, true);
    for (const auto& image : images) {
        const auto found = look_at(image);
        if (!found)
            throw file_error(exit_unusable, image, ENOENT);
        if (static_cast<std::uint64_t>(found->st_size) != size_bytes)
            throw unusable(image, fmt::format("has {}, and --size is {}",
                                              cli::size_text(static_cast<std::uint64_t>(found->st_size)),
                                              cli::size_text(size_bytes)));
    }
}

void create_image_files(std::span<const std::string> images, std::uint64_t size_bytes, bool overwrite) {
    check_space(images, size_bytes);
    std::vector<std::string> made;
    for (const auto& image : images) {
        const bool is_new = !look_at(image);
        const std::error_code error = create_image(image, {size_bytes}, overwrite);
        if (!error && is_new)
            made.push_back(image);
        if (!error)
            continue;
        for (const auto& path : made)
            (void)unlink(path.c_str());
        throw file_error(exit_code_of(error), image, error.value());
    }
}

} // namespace blkcrypto::bench
