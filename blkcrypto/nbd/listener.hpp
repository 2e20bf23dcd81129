// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a server listens: a unix socket that only its owner can connect to, or a TCP port of the loopback
// interface. Nothing here encrypts what goes over the wire, so no other address is taken.

#include "blkcrypto/base/result.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <string>

namespace blkcrypto::nbd {

using client_acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

class listener {
  public:
    /// A socket file, mode 0600. The socket of a server that is dead is replaced. EADDRINUSE: somebody
    /// listens there; EEXIST: there is something else; ENAMETOOLONG; ENOENT for no path; errno of bind(2).
    static result<listener> at_path(boost::asio::io_context& context, const std::string& path);

    /// Host: 127.0.0.0/8, ::1 or localhost; port 0 takes a free one. EACCES: another address, or a name;
    /// errno of bind(2).
    static result<listener> at_loopback(boost::asio::io_context& context, const std::string& host,
                                        std::uint16_t port);

    listener(listener&& other) noexcept;
    listener& operator=(listener&&) = delete;
    /// Closes it and removes the socket file, if it is still the one.
    ~listener();

    client_acceptor& acceptor() noexcept { return acceptor_; }
    /// As given, and absolute; the actual port.
    const std::string& uri() const noexcept { return uri_; }

  private:
    listener(client_acceptor&& acceptor, std::string uri)
        : acceptor_(std::move(acceptor)), uri_(std::move(uri)) {}

    client_acceptor acceptor_;
    std::string uri_;
    std::string path_; // of the socket file; empty: none
    std::uint64_t device_ = 0;
    std::uint64_t inode_ = 0;
};

} // namespace blkcrypto::nbd
