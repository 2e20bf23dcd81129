// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/control_socket.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

constexpr int backlog = 64;

void answer_one(int client, std::string_view answer) noexcept {
    // Few bytes, to a socket that little has been sent to: they fit, or nobody wants them.
    (void)send(client, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

} // namespace

control_socket control_socket::make() {
    control_directory directory = control_directory::make();
    const std::string name = fmt::format("{}.sock", getpid());
    const std::string unfinished = fmt::format("{}.new", getpid());
    directory.remove(unfinished); // of a process that had the same number
    const sockaddr_un address = directory.address_of(unfinished);
    file_descriptor listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listening ||
        bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        throw cli::file_error(cli::exit_unusable, directory.path(), errno);
    int error = listen(listening.get(), backlog) == 0 ? 0 : errno;
    error = error == 0 ? directory.rename(unfinished, name) : error;
    if (error != 0) {
        directory.remove(unfinished);
        throw cli::file_error(cli::exit_unusable, directory.path(), error);
    }
    return {std::move(directory), name, std::move(listening)};
}

control_socket::control_socket(control_socket&& other) noexcept
    : directory_(std::move(other.directory_)), name_(std::exchange(other.name_, {})),
      listening_(std::move(other.listening_)), waiting_(std::move(other.waiting_)) {}

control_socket::~control_socket() {
    remove();
}

void control_socket::remove() noexcept {
    if (!name_.empty())
        directory_.remove(name_);
    name_.clear();
}

file_descriptor control_socket::duplicate() const {
    file_descriptor copy(fcntl(listening_.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy)
        throw cli::file_error(cli::exit_failed, directory_.path(), errno);
    return copy;
}

void control_socket::end(std::string_view answer) noexcept {
    remove();
    // Nobody connects from here on: who finds it closing is refused, who came before that is told.
    (void)shutdown(listening_.get(), SHUT_RD);
    for (const file_descriptor& client : waiting_)
        answer_one(client.get(), answer);
    waiting_.clear();
    while (true) {
        const file_descriptor client(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client)
            return;
        answer_one(client.get(), answer);
    }
}

} // namespace blkcrypto::tools
