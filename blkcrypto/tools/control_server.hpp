// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers at a control socket, in the event loop of the thread that serves. Few clients at a time, each with
// little time for its first request, and small ones, so that none of them holds up the disk.

#include "blkcrypto/tools/control_protocol.hpp"
#include "blkcrypto/tools/control_socket.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace blkcrypto::tools {

/// What the questions are about.
class control_subject {
  public:
    /// What stays the same.
    virtual const nlohmann::ordered_json& facts() const noexcept = 0;
    /// Calls `tell` now or later, in the event loop; or never, when there is an end to it all.
    virtual void gather_info(std::function<void(const nlohmann::ordered_json&)> tell) = 0;
    /// May be called more than once.
    virtual void begin_detach() = 0;

  protected:
    ~control_subject() = default;
};

class control_server {
  public:
    /// All of them outlive it; nothing runs in `context` afterwards. program_error, exit code 1.
    control_server(boost::asio::io_context& context, control_socket& at, control_subject& subject);
    /// Clients that are connected wait at the control socket for the end.
    ~control_server();

  private:
    using protocol = boost::asio::local::stream_protocol;
    class session;

    void accept();
    void accept_later();
    void begin_session(protocol::socket&& client);
    void end_session(const std::shared_ptr<session>& ended);
    void wait_for_end(file_descriptor&& client);

    control_socket& at_;
    control_subject& subject_;
    protocol::acceptor acceptor_;
    boost::asio::steady_timer retry_; // of accepting
    std::vector<std::shared_ptr<session>> sessions_;
};

} // namespace blkcrypto::tools
