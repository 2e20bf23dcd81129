// SPDX-License-Identifier: Apache-2.0
#include "tests/support/death.hpp"

#include <array>
#include <csignal>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace blkcrypto::test {
namespace {

[[noreturn]] void run_in_child(int stderr_fd, void (*action)(void*), void* argument) {
    std::signal(SIGABRT, SIG_DFL);
    dup2(stderr_fd, STDERR_FILENO);
    action(argument);
    _exit(0);
}

std::string read_all(int fd) {
    std::string text;
    std::array<char, 512> buffer;
    for (ssize_t got = 0; (got = read(fd, buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(got));
    return text;
}

} // namespace

bool aborts_saying(std::string_view words, void (*action)(void*), void* argument) {
    std::array<int, 2> pipe_fds;
    if (pipe(pipe_fds.data()) != 0)
        return false;
    const pid_t child = fork();
    if (child == 0)
        run_in_child(pipe_fds[1], action, argument);
    close(pipe_fds[1]);
    const std::string said = read_all(pipe_fds[0]);
    close(pipe_fds[0]);
    int ended = 0;
    waitpid(child, &ended, 0);
    return WIFSIGNALED(ended) && WTERMSIG(ended) == SIGABRT && said.find(words) != std::string::npos;
}

} // namespace blkcrypto::test
