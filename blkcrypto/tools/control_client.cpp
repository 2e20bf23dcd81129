// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/control_client.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <iterator>
#include <sys/socket.h>
#include <sys/time.h>
#include <thread>

namespace blkcrypto::tools {
namespace {

constexpr unsigned connect_seconds = 5;
constexpr unsigned info_seconds = 60;
constexpr std::chrono::seconds refused_for{10};
constexpr std::chrono::milliseconds ask_again_after{50};

void set_limit(int socket, int which, unsigned seconds) noexcept {
    const timeval limit{seconds, 0};
    (void)setsockopt(socket, SOL_SOCKET, which, &limit, sizeof(limit));
}

cli::program_error ended_without_a_word(std::string_view what) {
    return {cli::exit_failed, what, "its server ended without a word; data may be missing", ECONNRESET};
}

} // namespace

void control_connection::ask(control_op op) const noexcept {
    const std::string request = control_request(op);
    std::string_view rest = request;
    while (!rest.empty()) {
        const ssize_t put = send(server_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR)
            return;
        rest.remove_prefix(put < 0 ? 0 : static_cast<std::size_t>(put));
    }
}

std::optional<std::string> control_connection::receive() {
    char part[4096];
    auto newline = received_.find('\n');
    while (newline == received_.npos && received_.size() < control_answer_bytes_max) {
        const ssize_t got = recv(server_.get(), part, sizeof(part), 0);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            errno = got < 0 && errno == EAGAIN ? EAGAIN : ECONNRESET;
            return std::nullopt;
        }
        received_.append(part, got < 0 ? 0 : static_cast<std::size_t>(got));
        newline = received_.find('\n');
    }
    std::string line = received_.substr(0, newline);
    received_.erase(0, newline == received_.npos ? newline : newline + 1);
    return line;
}

void control_connection::limit_time(unsigned seconds) const noexcept {
    set_limit(server_.get(), SO_RCVTIMEO, seconds);
}

// None where nobody listens any more; such a socket is removed.
std::optional<control_connection> control_client::connect(const std::string& name) const {
    const sockaddr_un address = directory_->address_of(name);
    file_descriptor made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!made)
        throw cli::file_error(cli::exit_failed, directory_->path(), errno);
    set_limit(made.get(), SO_SNDTIMEO, connect_seconds); // of connecting too
    const bool is_there =
        ::connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    if (!is_there && errno == ECONNREFUSED)
        directory_->remove(name);
    if (!is_there && (errno == ECONNREFUSED || errno == ENOENT))
        return std::nullopt;
    return control_connection(std::move(made)); // else there, and will not answer
}

// A server that has too many clients closes the connection, as does one that dies; one that ends in an
// orderly way removes its name before that.
std::optional<std::string> control_client::first_answer(const std::string& name, control_connection& server) {
    const auto give_up_at = std::chrono::steady_clock::now() + refused_for;
    while (true) {
        if (auto answer = server.receive())
            return answer;
        if (!directory_->has(name))
            return std::nullopt;
        if (std::chrono::steady_clock::now() > give_up_at)
            return "";
        auto again = connect(name);
        if (!again) {
            has_lost_one_ = true;
            return std::nullopt;
        }
        std::this_thread::sleep_for(ask_again_after);
        server = std::move(*again);
        server.ask(control_op::identify);
    }
}

std::optional<found_attachment> control_client::identify(const std::string& name,
                                                         control_connection&& server) {
    const auto answer = first_answer(name, server);
    if (!answer)
        return std::nullopt;
    if (auto known = parse_attachment(*answer))
        return found_attachment{std::move(*known), std::move(server), std::nullopt};
    if (auto ended = parse_detached(*answer)) {
        known_attachment known;
        known.uri = ended->uri;
        known.image_id = ended->image_id;
        return found_attachment{std::move(known), std::move(server), std::move(ended)};
    }
    silent_.push_back(name);
    return std::nullopt;
}

// All are asked before the first is waited for: one that ends meanwhile says so.
std::vector<found_attachment> control_client::attachments() {
    silent_.clear();
    has_lost_one_ = false;
    std::vector<std::pair<std::string, control_connection>> servers;
    for (const std::string& name : directory_ ? directory_->sockets() : std::vector<std::string>())
        if (auto server = connect(name)) {
            server->ask(control_op::identify);
            servers.emplace_back(name, std::move(*server));
        }
    std::vector<found_attachment> found;
    for (auto& [name, server] : servers)
        if (auto attachment = identify(name, std::move(server)))
            found.push_back(std::move(*attachment));
    return found;
}

void control_client::check_all_answered() const {
    if (!silent_.empty())
        throw cli::program_error(cli::exit_failed,
                                 fmt::format("{}/{}", directory_->path(), fmt::join(silent_, ", ")),
                                 "whoever listens there does not answer", ETIMEDOUT);
}

found_attachment control_client::find(const std::string& name) {
    const std::string identity = image_identity(name);
    std::vector<found_attachment> matching;
    for (auto& found : attachments())
        if (found.known.uri == name || (!identity.empty() && found.known.image_id == identity))
            matching.push_back(std::move(found));
    return choose(name, std::move(matching));
}

// One that has ended counts only where there is no other.
found_attachment control_client::choose(const std::string& name,
                                        std::vector<found_attachment>&& matching) const {
    const auto has_ended = [](const found_attachment& found) { return found.ended.has_value(); };
    if (!std::ranges::all_of(matching, has_ended))
        std::erase_if(matching, has_ended);
    if (matching.empty()) {
        check_all_answered();
        if (has_lost_one_)
            throw ended_without_a_word(name);
        throw cli::unusable(name, "no such attachment", ENOENT);
    }
    if (matching.size() > 1 && !has_ended(matching.front()))
        throw cli::unusable(name,
                            fmt::format("attached {} times; the URI tells them apart", matching.size()));
    return std::move(matching.front());
}

known_attachment control_client::info(found_attachment& which) const {
    which.server.limit_time(info_seconds);
    which.server.ask(control_op::info);
    const auto answer = which.server.receive();
    if (!answer && errno == EAGAIN)
        throw cli::program_error(cli::exit_failed, which.known.uri,
                                 fmt::format("busy: a thread of its server has been in a system call for {} "
                                             "seconds",
                                             info_seconds),
                                 ETIMEDOUT);
    auto known = answer ? parse_attachment(*answer) : std::nullopt;
    if (!known)
        throw cli::unusable(which.known.uri, "no such attachment any more", ENOENT);
    return std::move(*known);
}

bool control_client::detach(found_attachment& which) const {
    if (which.ended)
        return which.ended->data_may_be_missing;
    which.server.ask(control_op::detach);
    const auto answer = which.server.receive();
    const auto ended = answer ? parse_detached(*answer) : std::nullopt;
    if (!ended)
        throw ended_without_a_word(which.known.uri);
    return ended->data_may_be_missing;
}

} // namespace blkcrypto::tools
