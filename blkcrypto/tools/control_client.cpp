// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/control_client.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <iterator>
#include <sys/socket.h>
#include <sys/time.h>

namespace blkcrypto::tools {
namespace {

constexpr timeval patience{5, 0};

void set_limit(int socket, int which) {
    (void)setsockopt(socket, SOL_SOCKET, which, &patience, sizeof(patience));
}

bool send_all(int socket, std::string_view text) {
    while (!text.empty()) {
        const ssize_t put = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR)
            return false;
        text.remove_prefix(put < 0 ? 0 : static_cast<std::size_t>(put));
    }
    return true;
}

// Without the newline. Nothing if the other end, or its time, is over before there was one.
std::optional<std::string> receive_line(int socket) {
    std::string line;
    char part[4096];
    while (line.size() < control_answer_bytes_max) {
        const ssize_t got = recv(socket, part, sizeof(part), 0);
        if (got == 0 || (got < 0 && errno != EINTR))
            return std::nullopt;
        line.append(part, got < 0 ? 0 : static_cast<std::size_t>(got));
        const auto newline = line.find('\n');
        if (newline != line.npos)
            return line.substr(0, newline);
    }
    return std::nullopt;
}

} // namespace

// None where nobody listens any more; such a socket is removed.
file_descriptor control_client::connect(const std::string& name) const {
    const sockaddr_un address = directory_->address_of(name);
    file_descriptor made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!made)
        throw cli::file_error(cli::exit_failed, directory_->path(), errno);
    set_limit(made.get(), SO_SNDTIMEO); // of connecting too
    if (::connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
        return made;
    if (errno == ECONNREFUSED)
        directory_->remove(name);
    else if (errno != ENOENT) // ended meanwhile
        return made;          // there, and will not answer
    return {};
}

std::optional<std::string> control_client::ask(const std::string& name, control_op op) const {
    const file_descriptor server = connect(name);
    if (!server)
        return std::nullopt;
    if (op == control_op::info)
        set_limit(server.get(), SO_RCVTIMEO);
    if (!send_all(server.get(), control_request(op)))
        return "";
    return receive_line(server.get()).value_or("");
}

std::vector<known_attachment> control_client::attachments() {
    std::vector<known_attachment> found;
    silent_.clear();
    for (const std::string& name : directory_ ? directory_->sockets() : std::vector<std::string>()) {
        const auto answer = ask(name, control_op::info);
        if (!answer || parse_detached(*answer))
            continue;
        if (auto known = parse_attachment(*answer))
            found.push_back(std::move(*known));
        else
            silent_.push_back(name);
    }
    return found;
}

void control_client::check_all_answered() const {
    if (!silent_.empty())
        throw cli::program_error(cli::exit_failed,
                                 fmt::format("{}/{}", directory_->path(), fmt::join(silent_, ", ")),
                                 "whoever listens there does not answer", ETIMEDOUT);
}

known_attachment control_client::find(const std::string& name) {
    const std::string identity = image_identity(name);
    std::vector<known_attachment> matching;
    for (auto& known : attachments())
        if (known.uri == name || (!identity.empty() && known.image_id == identity))
            matching.push_back(std::move(known));
    if (matching.size() > 1)
        throw cli::unusable(name,
                            fmt::format("attached {} times; the URI tells them apart", matching.size()));
    if (matching.empty()) {
        check_all_answered();
        throw cli::unusable(name, "no such attachment", ENOENT);
    }
    return std::move(matching.front());
}

bool control_client::detach(const known_attachment& which) const {
    const auto answer = ask(fmt::format("{}.sock", which.pid), control_op::detach);
    const auto data_may_be_missing = answer ? parse_detached(*answer) : std::nullopt;
    if (!data_may_be_missing)
        throw cli::program_error(cli::exit_failed, which.uri,
                                 "its server ended without a word; data may be missing", ECONNRESET);
    return *data_may_be_missing;
}

} // namespace blkcrypto::tools
