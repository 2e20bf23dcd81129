// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/control_server.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <chrono>
#include <sys/socket.h>
#include <unistd.h>

namespace blkcrypto::tools {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t clients_max = 16;
constexpr std::chrono::seconds patience{5};
constexpr std::chrono::milliseconds accept_again_after{100};

bool may_ask(int client) {
    ucred peer{};
    socklen_t length = sizeof(peer);
    return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

} // namespace

/// A client: asks and is answered, until it leaves. Kept alive by what it waits for.
class control_server::session : public std::enable_shared_from_this<session> {
  public:
    session(control_server& owner, protocol::socket&& client)
        : owner_(owner), socket_(std::move(client)), timer_(socket_.get_executor()) {}

    void begin() {
        timer_.expires_after(patience);
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error && !self->has_asked_)
                self->end();
        });
        receive();
    }
    /// None if there is no connection any more.
    file_descriptor release() noexcept;

  private:
    void receive();
    void received(std::size_t bytes);
    void look_for_request();
    void handle(std::string_view line);
    void gather_info();
    void answer(const nlohmann::ordered_json& document);
    void end();

    control_server& owner_;
    protocol::socket socket_;
    asio::steady_timer timer_;
    std::array<char, control_request_bytes_max> request_{};
    std::size_t request_bytes_ = 0;
    bool has_asked_ = false; // and may take its time: it may be waiting for other servers, or for threads
    std::string answer_;
};

file_descriptor control_server::session::release() noexcept {
    error_code error;
    const int client = socket_.is_open() ? socket_.release(error) : -1;
    return file_descriptor(error ? -1 : client);
}

void control_server::session::receive() {
    socket_.async_read_some(asio::buffer(request_) + request_bytes_,
                            [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                                if (error)
                                    self->end();
                                else
                                    self->received(bytes);
                            });
}

void control_server::session::received(std::size_t bytes) {
    request_bytes_ += bytes;
    look_for_request();
}

void control_server::session::look_for_request() {
    const std::string_view so_far(request_.data(), request_bytes_);
    const auto newline = so_far.find('\n');
    if (newline != so_far.npos) {
        const std::string line(so_far.substr(0, newline));
        request_bytes_ -= newline + 1;
        std::copy_n(request_.begin() + newline + 1, request_bytes_, request_.begin());
        handle(line);
    } else if (request_bytes_ == request_.size()) {
        end();
    } else {
        receive();
    }
}

void control_server::session::handle(std::string_view line) {
    const auto op = parse_control_request(line);
    has_asked_ = op.has_value();
    if (op == control_op::identify)
        return answer(owner_.subject_.facts());
    if (op == control_op::info)
        return gather_info();
    if (op == control_op::detach)
        owner_.wait_for_end(release());
    end();
}

// Whoever gathers may drop this on another thread, which must not be where the session ends.
void control_server::session::gather_info() {
    owner_.subject_.gather_info([weak = weak_from_this()](const nlohmann::ordered_json& document) {
        if (const auto self = weak.lock())
            self->answer(document);
    });
}

void control_server::session::answer(const nlohmann::ordered_json& document) {
    if (!socket_.is_open())
        return;
    answer_ = to_line(document);
    asio::async_write(socket_, asio::buffer(answer_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                          if (error)
                              self->end();
                          else
                              self->look_for_request();
                      });
}

void control_server::session::end() {
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
    owner_.end_session(shared_from_this());
}

control_server::control_server(asio::io_context& context, control_socket& at, control_subject& subject)
    : at_(at), subject_(subject), acceptor_(context), retry_(context) {
    file_descriptor listening = at.duplicate();
    error_code error;
    acceptor_.assign(protocol(), listening.get(), error);
    if (error)
        throw cli::file_error(cli::exit_failed, "control socket", error.value());
    (void)listening.release();
    accept();
}

control_server::~control_server() {
    for (const auto& client : sessions_)
        at_.add_waiting(client->release());
}

void control_server::accept() {
    acceptor_.async_accept([this](const error_code& error, protocol::socket client) {
        if (!error)
            begin_session(std::move(client));
        if (error == asio::error::operation_aborted)
            return;
        if (error && error != asio::error::connection_aborted)
            accept_later();
        else
            accept();
    });
}

// No descriptors, or no memory, whatever it is that has run out: waits for somebody to leave.
void control_server::accept_later() {
    retry_.expires_after(accept_again_after);
    retry_.async_wait([this](const error_code& error) {
        if (!error)
            accept();
    });
}

void control_server::begin_session(protocol::socket&& client) {
    if (sessions_.size() + at_.waiting() >= clients_max || !may_ask(client.native_handle()))
        return;
    sessions_.push_back(std::make_shared<session>(*this, std::move(client)));
    sessions_.back()->begin();
}

void control_server::end_session(const std::shared_ptr<session>& ended) {
    std::erase(sessions_, ended);
}

void control_server::wait_for_end(file_descriptor&& client) {
    at_.add_waiting(std::move(client));
    subject_.begin_detach();
}

} // namespace blkcrypto::tools
