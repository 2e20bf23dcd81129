// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/background.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

constexpr const char* what = "background process";
constexpr std::string_view word = "go on";

// Without its newline; empty if the other end is closed before that has come.
std::string read_line(int from) {
    std::string text;
    char part[512];
    while (true) {
        const ssize_t got = read(from, part, sizeof(part));
        if (got == 0 || (got < 0 && errno != EINTR))
            return {};
        text.append(part, got < 0 ? 0 : static_cast<std::size_t>(got));
        if (text.ends_with('\n'))
            return text.substr(0, text.size() - 1);
    }
}

bool write_line(int to, std::string_view line) {
    const std::string whole = fmt::format("{}\n", line);
    std::string_view text = whole;
    while (!text.empty()) {
        const ssize_t put = send(to, text.data(), text.size(), MSG_NOSIGNAL);
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
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw cli::file_error(cli::exit_failed, what, errno);
    file_descriptor starters(ends[0]);
    file_descriptor servers(ends[1]);
    const pid_t child = ::fork();
    if (child < 0)
        throw cli::file_error(cli::exit_failed, what, errno);
    return {child, std::move(child == 0 ? servers : starters)};
}

std::optional<std::string> background::wait_until_ready() {
    std::string report = read_line(other_.get());
    if (!report.empty())
        return report;
    const int status = wait_for_end();
    if (WIFSIGNALED(status))
        throw cli::program_error(cli::exit_failed, what,
                                 fmt::format("ended by signal {} before it was ready", WTERMSIG(status)));
    exit_code_ = WEXITSTATUS(status);
    return std::nullopt;
}

int background::wait_for_end() {
    int status = 0;
    while (waitpid(child_, &status, 0) < 0)
        if (errno != EINTR)
            throw cli::file_error(cli::exit_failed, what, errno);
    return status;
}

void background::confirm() {
    if (!write_line(other_.get(), word) || read_line(other_.get()) != word)
        throw cli::program_error(cli::exit_failed, what, "ended before it could go on");
}

void background::refuse() noexcept {
    other_ = file_descriptor();
    int status = 0;
    while (waitpid(child_, &status, 0) < 0 && errno == EINTR)
        continue;
}

// The descriptor of the listing itself is closed again when they are looked at.
void background::note_inherited() {
    std::error_code error;
    std::vector<int> listed;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error))
        listed.push_back(std::atoi(entry.path().filename().c_str()));
    for (const int fd : listed)
        if (fd > STDERR_FILENO && fd != other_.get() && fcntl(fd, F_GETFD) >= 0)
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
    if (!write_line(other_.get(), report))
        throw cli::file_error(cli::exit_failed, what, errno);
}

bool background::is_confirmed() {
    return read_line(other_.get()) == word;
}

// Nobody may be there to hear it: who was told has done its part.
void background::go_on() {
    (void)write_line(other_.get(), word);
    other_ = file_descriptor();
}

} // namespace blkcrypto::tools
