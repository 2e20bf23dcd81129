// SPDX-License-Identifier: Apache-2.0
// The files of key checks (key_check.hpp).

#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/key_check.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

// However the file grows meanwhile, no more than may be.
std::string read_text(const std::string& path, int fd) {
    std::string text(key_check_bytes_max + 1, '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t got = read(fd, text.data() + done, text.size() - done);
        if (got == 0)
            break;
        if (got > 0)
            done += static_cast<std::size_t>(got);
        else if (errno != EINTR)
            throw cli::file_error(cli::exit_unusable, path, errno);
    }
    if (done > key_check_bytes_max)
        throw cli::unusable(path, fmt::format("no key check: more than {} bytes", key_check_bytes_max),
                            EFBIG);
    text.resize(done);
    return text;
}

} // namespace

std::optional<std::string> read_key_check_file(const std::string& path) {
    const file_descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file && errno == ENOENT)
        return std::nullopt;
    struct stat found {};
    if (!file || fstat(file.get(), &found) != 0)
        throw cli::file_error(cli::exit_unusable, path, errno);
    if (!S_ISREG(found.st_mode))
        throw cli::unusable(path, "no key check: not a regular file", EINVAL);
    return read_text(path, file.get());
}

std::error_code write_key_check_file(const std::string& path, std::string_view text) {
    const file_descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file)
        return make_error(errno);
    int error = 0;
    while (!text.empty() && error == 0) {
        const ssize_t put = write(file.get(), text.data(), text.size());
        error = put < 0 && errno != EINTR ? errno : 0;
        text.remove_prefix(put < 0 ? 0 : static_cast<std::size_t>(put));
    }
    if (error == 0 && fsync(file.get()) != 0)
        error = errno;
    if (error != 0)
        (void)unlink(path.c_str());
    return make_error(error);
}

} // namespace blkcrypto::tools
