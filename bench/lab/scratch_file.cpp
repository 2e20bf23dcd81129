// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/scratch_file.hpp"

#include "bench/image_files.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <cstdlib>
#include <span>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::bench {
namespace {

bool is_there(const std::string& path) {
    struct stat found {};
    return lstat(path.c_str(), &found) == 0;
}

} // namespace

// What is there is locked before it loses its contents: another process may be using it.
scratch_file scratch_file::named(const std::string& path, std::uint64_t size_bytes, bool overwrite) {
    const bool was_there = is_there(path);
    if (was_there && !overwrite)
        throw cli::unusable(path, "there already; --overwrite replaces it", EEXIST);
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

scratch_file scratch_file::temporary(const std::string& begins_with, std::uint64_t size_bytes) {
    std::string path = begins_with + ".XXXXXX";
    const file_descriptor made(mkstemp(path.data()));
    if (!made)
        throw cli::file_error(cli::exit_failed, path, errno);
    scratch_file file(path, false);
    file.lock_ = cli::image_lock::take(path, cli::image_use::write);
    create_image_files(std::span(&path, 1), size_bytes, true);
    return file;
}

scratch_file::~scratch_file() {
    if (!is_kept_)
        (void)unlink(path_.c_str());
}

std::string temporary_directory() {
    const char* const named = std::getenv("TMPDIR");
    return named != nullptr && *named != '\0' ? named : "/tmp";
}

} // namespace blkcrypto::bench
