// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/listener.hpp"
#include "tests/nbd/server_rig.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace blkcrypto;
using namespace blkcrypto::test;
using nbd::listener;
namespace fs = std::filesystem;

namespace {

/// Puts back what was there before.
class other_umask {
  public:
    explicit other_umask(mode_t mask) : saved_(umask(mask)) {}
    ~other_umask() { umask(saved_); }

  private:
    const mode_t saved_;
};

class other_directory {
  public:
    explicit other_directory(const std::string& path) : saved_(fs::current_path()) { fs::current_path(path); }
    ~other_directory() { fs::current_path(saved_); }

  private:
    const fs::path saved_;
};

mode_t mode_of(const std::string& path) {
    struct stat found {};
    REQUIRE(lstat(path.c_str(), &found) == 0);
    return found.st_mode;
}

/// A socket file that nobody listens at.
void leave_socket(const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    close(fd);
}

std::uint16_t port_of(const listener& at) {
    return static_cast<std::uint16_t>(std::stoul(at.uri().substr(at.uri().rfind(':') + 1)));
}

struct place {
    std::string path_of(std::string_view name) const { return folder.path_of(name); }
    result<listener> listen(std::string_view name) { return listener::at_path(context, path_of(name)); }

    temporary_folder folder;
    boost::asio::io_context context;
};

} // namespace

TEST_CASE("a socket file is for its owner only, whatever the umask, which stays as it was") {
    place here;
    for (const mode_t mask : {0U, 022U, 0777U}) {
        const other_umask other(mask);
        const auto made = here.listen("socket");
        REQUIRE_FALSE(made.has_error());
        CHECK(mode_of(here.path_of("socket")) == (S_IFSOCK | 0600));
        CHECK(umask(mask) == mask);
    }
}

TEST_CASE("a socket file is gone with its listener") {
    place here;
    {
        auto made = *here.listen("socket");
        const listener moved(std::move(made));
        CHECK(fs::exists(here.path_of("socket")));
    }
    CHECK_FALSE(fs::exists(here.path_of("socket")));
}

TEST_CASE("a file that has taken the place of the socket is left alone") {
    place here;
    {
        const auto made = *here.listen("socket");
        fs::rename(here.path_of("socket"), here.path_of("moved"));
        leave_socket(here.path_of("socket"));
    }
    CHECK(fs::exists(here.path_of("socket")));
    CHECK(fs::exists(here.path_of("moved")));
}

TEST_CASE("a listener whose socket file has gone ends without it") {
    place here;
    const auto made = *here.listen("socket");
    fs::remove(here.path_of("socket"));
}

TEST_CASE("the socket of a server that is dead is replaced") {
    place here;
    leave_socket(here.path_of("socket"));
    const auto made = here.listen("socket");
    REQUIRE_FALSE(made.has_error());
    const socket_client client(here.path_of("socket"));
}

TEST_CASE("where somebody listens nobody else does") {
    place here;
    const auto first = *here.listen("socket");
    CHECK(here.listen("socket").error() == make_error(EADDRINUSE));
    const socket_client client(here.path_of("socket"));
}

TEST_CASE("what is no socket is left alone") {
    place here;
    std::ofstream(here.path_of("file")) << "something";
    fs::create_directory(here.path_of("directory"));
    fs::create_symlink("nowhere", here.path_of("link"));
    for (const char* name : {"file", "directory", "link"}) {
        CHECK(here.listen(name).error() == make_error(EEXIST));
        CHECK(fs::is_symlink(here.path_of(name)) == (name == std::string("link")));
    }
    CHECK(fs::file_size(here.path_of("file")) == 9);
    CHECK(fs::is_directory(here.path_of("directory")));
}

TEST_CASE("a path is there, and short enough") {
    place here;
    constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;
    const std::string longest(path_bytes_max - here.path_of("").size(), 'x');
    CHECK_FALSE(here.listen(longest).has_error());
    CHECK(here.listen(longest + "x").error() == make_error(ENAMETOOLONG));
    CHECK(here.listen("nowhere/socket").error() == make_error(ENOENT));
    CHECK(listener::at_path(here.context, "").error() == make_error(ENOENT));
}

TEST_CASE("a path is in the URI as URIs have it") {
    place here;
    const std::string prefix = "nbd+unix:///?socket=";
    CHECK(here.listen("so-ck_e.t~1")->uri() == prefix + here.path_of("so-ck_e.t~1"));
    CHECK(here.listen("a b%c&d=e?f#g+h")->uri() == prefix + here.path_of("a%20b%25c%26d%3De%3Ff%23g%2Bh"));
    CHECK(here.listen("\xc3\xa4\xff")->uri() == prefix + here.path_of("%C3%A4%FF"));
}

TEST_CASE("a relative path is made absolute") {
    place here;
    const other_directory other(here.path_of(""));
    const std::string uri = "nbd+unix:///?socket=" + fs::current_path().string() + "/socket";
    for (const char* name : {"socket", "./socket"}) {
        const auto made = *listener::at_path(here.context, name);
        CHECK(made.uri() == uri);
        CHECK(fs::exists(here.path_of("socket")));
    }
}

TEST_CASE("the directory that is listened in is the one that was named") {
    place here;
    fs::create_directories(here.path_of("far/away"));
    fs::create_directory_symlink("far/away", here.path_of("link"));
    const auto made = here.listen("link/../socket");
    REQUIRE_FALSE(made.has_error());
    CHECK(fs::exists(here.path_of("far/socket")));
}

TEST_CASE("a port that is free is found, and told") {
    boost::asio::io_context context;
    for (const char* host : {"127.0.0.1", "localhost"}) {
        const auto made = *listener::at_loopback(context, host, 0);
        CHECK(made.uri() == "nbd://127.0.0.1:" + std::to_string(port_of(made)));
        CHECK(port_of(made) != 0);
        const socket_client client(port_of(made));
    }
}

TEST_CASE("an address of version 6 is in brackets") {
    boost::asio::io_context context;
    const auto made = listener::at_loopback(context, "::1", 0);
    if (made.has_error() && made.error() == make_error(EADDRNOTAVAIL))
        return; // not on this machine
    REQUIRE_FALSE(made.has_error());
    CHECK(made->uri() == "nbd://[::1]:" + std::to_string(port_of(*made)));
}

TEST_CASE("a port that is in use is refused") {
    boost::asio::io_context context;
    const auto first = *listener::at_loopback(context, "127.0.0.1", 0);
    CHECK(listener::at_loopback(context, "127.0.0.1", port_of(first)).error() == make_error(EADDRINUSE));
}

TEST_CASE("no address but the loopback interface's is taken") {
    boost::asio::io_context context;
    for (const char* host : {"0.0.0.0", "192.0.2.1", "::", "::ffff:192.0.2.1", "2001:db8::1", "localhost.",
                             "example.org", "", "127.1", "127.0.0.1 ", "126.255.255.255", "128.0.0.1"})
        CHECK_MESSAGE(listener::at_loopback(context, host, 0).error() == make_error(EACCES), host);
}
