// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/listener.hpp"

#include "blkcrypto/dev/image_file.hpp"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>

namespace blkcrypto::nbd {
namespace {

namespace asio = boost::asio;
using asio::generic::stream_protocol;
using boost::system::error_code;

std::error_code to_std(const error_code& error) {
    return make_error(error.value());
}

/// Nobody answers at the socket file any more. One that is too busy to answer is not dead: no waiting.
bool is_dead(asio::io_context& context, const asio::local::stream_protocol::endpoint& at) {
    asio::local::stream_protocol::socket probe(context);
    error_code error;
    probe.open(asio::local::stream_protocol(), error);
    if (!error)
        probe.non_blocking(true, error);
    if (!error)
        probe.connect(at, error);
    return error == asio::error::connection_refused;
}

/// A socket that is bound and not yet listened at refuses connections as a dead one does. Whoever makes one
/// holds the directory, so that nobody takes it for dead meanwhile, and no two find the same one dead.
class held_directory {
  public:
    explicit held_directory(const std::string& of_path)
        : fd_(::open(std::filesystem::path(of_path).parent_path().c_str(),
                     O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
        if (fd_)
            flock(fd_.get(), LOCK_EX);
    }

  private:
    const file_descriptor fd_; // none where the directory may not be read: then it is a matter of luck
};

/// What stands in the way of a new socket file.
std::error_code clear_way(asio::io_context& context, const std::string& path,
                          const asio::local::stream_protocol::endpoint& at) {
    struct stat found {};
    if (lstat(path.c_str(), &found) != 0)
        return errno == ENOENT ? std::error_code() : make_error(errno);
    if (!S_ISSOCK(found.st_mode))
        return make_error(EEXIST);
    if (!is_dead(context, at))
        return make_error(EADDRINUSE);
    return unlink(path.c_str()) == 0 || errno == ENOENT ? std::error_code() : make_error(errno);
}

result<client_acceptor> open_acceptor(asio::io_context& context, const stream_protocol::endpoint& at) {
    client_acceptor acceptor(context);
    error_code error;
    acceptor.open(at.protocol(), error);
    if (!error && at.protocol().family() != AF_UNIX)
        acceptor.set_option(client_acceptor::reuse_address(true), error);
    if (!error)
        acceptor.bind(at, error);
    if (!error)
        acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error)
        return to_std(error);
    return acceptor;
}

/// Files that are made in its lifetime are for their owner only. Of the process: no other thread makes any.
class private_files {
  public:
    private_files() : saved_(umask(0177)) {}
    ~private_files() { umask(saved_); }
    private_files(const private_files&) = delete;
    private_files& operator=(const private_files&) = delete;

  private:
    const mode_t saved_;
};

std::string absolute(const std::string& path) {
    std::error_code error;
    const auto whole = std::filesystem::absolute(path, error);
    // Behind a link it leads elsewhere than it seems to.
    const bool goes_up = std::find(whole.begin(), whole.end(), "..") != whole.end();
    return error ? path : (goes_up ? whole : whole.lexically_normal()).string();
}

/// The path as a URI's query takes it.
std::string escaped(std::string_view path) {
    constexpr std::string_view plain = "/-._~";
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              plain.find(c) != plain.npos;
        if (is_plain)
            text += c;
        else
            (text += '%').append({digits[byte >> 4], digits[byte & 15]});
    }
    return text;
}

} // namespace

result<listener> listener::at_path(asio::io_context& context, const std::string& path) {
    if (path.empty())
        return make_error(ENOENT); // bind(2) would choose a name that everybody can connect to
    const std::string whole = absolute(path);
    if (whole.size() >= sizeof(sockaddr_un::sun_path))
        return make_error(ENAMETOOLONG);
    const asio::local::stream_protocol::endpoint at(whole);
    const held_directory held(whole);
    if (const std::error_code error = clear_way(context, whole, at))
        return error;
    const private_files for_owner;
    auto acceptor = open_acceptor(context, at);
    if (!acceptor)
        return acceptor.error();
    listener made(std::move(*acceptor), "nbd+unix:///?socket=" + escaped(whole));
    struct stat bound {};
    if (lstat(whole.c_str(), &bound) == 0) {
        made.path_ = whole;
        made.device_ = bound.st_dev;
        made.inode_ = bound.st_ino;
    }
    return made;
}

result<listener> listener::at_loopback(asio::io_context& context, const std::string& host,
                                       std::uint16_t port) {
    error_code error;
    const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
    if (error || !address.is_loopback())
        return make_error(EACCES);
    auto acceptor = open_acceptor(context, asio::ip::tcp::endpoint(address, port));
    if (!acceptor)
        return acceptor.error();
    sockaddr_storage bound{};
    socklen_t length = sizeof(bound);
    getsockname(acceptor->native_handle(), reinterpret_cast<sockaddr*>(&bound), &length);
    const auto port_field = address.is_v6() ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                            : reinterpret_cast<const sockaddr_in&>(bound).sin_port;
    const std::string name = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
    return listener(std::move(*acceptor), "nbd://" + name + ":" + std::to_string(ntohs(port_field)));
}

listener::listener(listener&& other) noexcept
    : acceptor_(std::move(other.acceptor_)), uri_(std::move(other.uri_)),
      path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}

listener::~listener() {
    struct stat now {};
    if (!path_.empty() && lstat(path_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_)
        unlink(path_.c_str());
}

} // namespace blkcrypto::nbd
