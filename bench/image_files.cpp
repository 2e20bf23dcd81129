// SPDX-License-Identifier: Apache-2.0
#include "bench/image_files.hpp"

#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
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

void check_parent(const std::string& base) {
    const std::filesystem::path named = std::filesystem::path(base).parent_path();
    const std::string parent = named.empty() ? std::string(1, '.') : named.string();
    struct stat found {};
    if (stat(parent.c_str(), &found) != 0)
        throw file_error(exit_unusable, parent, errno);
    if (!S_ISDIR(found.st_mode))
        throw file_error(exit_unusable, parent, ENOTDIR);
    if (access(parent.c_str(), W_OK | X_OK) != 0)
        throw file_error(exit_unusable, parent, errno);
}

void check_replaceable(const std::string& path, const struct stat& found) {
    if (S_ISDIR(found.st_mode))
        throw file_error(exit_unusable, path, EISDIR);
    if (!S_ISREG(found.st_mode))
        throw unusable(path, "not a regular file", EINVAL);
    if (access(path.c_str(), R_OK | W_OK) != 0)
        throw file_error(exit_unusable, path, errno);
}

} // namespace

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
            if (other.st_dev == found->st_dev && other.st_ino == found->st_ino)
                throw unusable(image, "the same file as another of the images", EINVAL);
        existing.push_back(*found);
    }
}

void create_image_files(std::span<const std::string> images, std::uint64_t size_bytes, bool overwrite) {
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
        throw file_error(cli::exit_failed, image, error.value());
    }
}

} // namespace blkcrypto::bench
