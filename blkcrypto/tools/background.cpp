// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/background.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

constexpr const char* what = "background process";

// All of it: until the other end is closed.
std::string read_all(int pipe) {
    std::string text;
    char part[512];
    while (true) {
        const ssize_t got = read(pipe, part, sizeof(part));
        if (got > 0)
            text.append(part, static_cast<std::size_t>(got));
        else if (got == 0 || errno != EINTR)
            return text;
    }
}

bool write_all(int pipe, std::string_view text) {
    while (!text.empty()) {
        const ssize_t put = write(pipe, text.data(), text.size());
        if (put < 0 && errno != EINTR)
            return false;
        text.remove_prefix(put < 0 ? 0 : static_cast<std::size_t>(put));
    }
    return true;
}

void leave_standard_streams() {
    const file_descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (!null || dup2(null.get(), fd) < 0)
            throw cli::file_error(cli::exit_failed, "/dev/null", errno);
}

} // namespace

background background::fork() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        throw cli::file_error(cli::exit_failed, what, errno);
    file_descriptor for_reading(ends[0]);
    file_descriptor for_writing(ends[1]);
    const pid_t child = ::fork();
    if (child < 0)
        throw cli::file_error(cli::exit_failed, what, errno);
    return {child, std::move(child == 0 ? for_writing : for_reading)};
}

std::optional<std::string> background::wait_until_ready() {
    std::string report = read_all(pipe_.get());
    if (!report.empty())
        return report;
    int status = 0;
    while (waitpid(child_, &status, 0) < 0)
        if (errno != EINTR)
            throw cli::file_error(cli::exit_failed, what, errno);
    if (WIFSIGNALED(status))
        throw cli::program_error(cli::exit_failed, what,
                                 fmt::format("ended by signal {} before it was ready", WTERMSIG(status)));
    exit_code_ = WEXITSTATUS(status);
    return std::nullopt;
}

void background::stop() noexcept {
    kill(child_, SIGTERM);
}

// The descriptor of the listing itself is closed again when they are looked at.
void background::note_inherited() {
    std::error_code error;
    std::vector<int> listed;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error))
        listed.push_back(std::atoi(entry.path().filename().c_str()));
    for (const int fd : listed)
        if (fd > STDERR_FILENO && fd != pipe_.get() && fcntl(fd, F_GETFD) >= 0)
            inherited_.push_back(fd);
}

void background::report_ready(std::string_view report) {
    std::signal(SIGHUP, SIG_IGN);
    setsid();
    if (chdir("/") != 0)
        throw cli::file_error(cli::exit_failed, "/", errno);
    // Whoever waits for the end of stdout has to wait no longer than for the report.
    leave_standard_streams();
    for (const int fd : inherited_)
        (void)close(fd);
    if (!write_all(pipe_.get(), report))
        throw cli::file_error(cli::exit_failed, what, errno);
    pipe_ = file_descriptor();
}

} // namespace blkcrypto::tools
