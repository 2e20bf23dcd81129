// SPDX-License-Identifier: Apache-2.0
#include "tests/nbd/server_rig.hpp"

#include <boost/asio/post.hpp>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace blkcrypto::test {

using namespace blkcrypto::nbd;

namespace {

constexpr std::uint32_t fixed_newstyle_without_zeroes = 3;

int connected_to(int family, const void* address, std::size_t bytes) {
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    REQUIRE(connect(fd, static_cast<const sockaddr*>(address), static_cast<socklen_t>(bytes)) == 0);
    return fd;
}

int connected_to(const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    REQUIRE(path.size() < sizeof(address.sun_path));
    path.copy(address.sun_path, path.size());
    return connected_to(AF_UNIX, &address, sizeof(address));
}

int connected_to(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = to_big(port);
    address.sin_addr.s_addr = to_big(std::uint32_t{INADDR_LOOPBACK});
    return connected_to(AF_INET, &address, sizeof(address));
}

} // namespace

// --- folder ---

temporary_folder::temporary_folder() {
    const char* const place = std::getenv("TMPDIR");
    path_ = std::string(place != nullptr ? place : "/tmp") + "/nbd_server.XXXXXX";
    REQUIRE(mkdtemp(path_.data()) != nullptr);
}

temporary_folder::~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

// --- server ---

running_server::running_server(block_device& device, const server_options& options, std::string description)
    : options_(options), disk_{.info = {.name = {},
                                        .description = std::move(description),
                                        .size_bytes = to_bytes(device.capacity()).value},
                               .device = device} {
    std::packaged_task<blk_status()> work([this] { return serve(); });
    outcome_ = work.get_future();
    auto started = started_.get_future();
    thread_ = std::thread(std::move(work));
    started.get();
}

running_server::~running_server() {
    end();
}

blk_status running_server::serve() {
    const auto made = *server::make(disk_, options_);
    made->listen(*listener::at_path(made->context(), path_));
    server_ = made.get();
    started_.set_value();
    return made->run();
}

void running_server::post(std::function<void(server&)> act) {
    boost::asio::post(server_->context(), [this, act = std::move(act)] { act(*server_); });
}

void running_server::begin_stop() {
    if (!std::exchange(is_stopping_, true))
        post([](server& s) { s.stop(); });
}

bool running_server::has_ended() {
    return outcome_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

blk_status running_server::end() {
    if (ended_with_)
        return *ended_with_;
    begin_stop();
    if (outcome_.wait_for(patience_of_tests) != std::future_status::ready) {
        std::fputs("the server does not end\n", stderr);
        std::abort(); // its thread uses what is on this stack
    }
    thread_.join();
    ended_with_ = outcome_.get();
    return *ended_with_;
}

server_thread_statistics running_server::statistics() {
    const auto told = std::make_shared<std::promise<server_thread_statistics>>();
    auto sum = told->get_future();
    post([told](server& s) {
        s.gather_statistics([told](const server_thread_statistics& all) { told->set_value(all); });
    });
    REQUIRE(sum.wait_for(patience_of_tests) == std::future_status::ready);
    return sum.get();
}

bool running_server::has_connections(std::size_t number) {
    return becomes_true([&] { return statistics().connections == number; });
}

// --- client ---

socket_client::socket_client(const std::string& path) : socket_client(connected_to(path), false) {}

socket_client::socket_client(const running_server& at, bool has_structured_replies)
    : socket_client(connected_to(at.path()), has_structured_replies) {}

socket_client::socket_client(std::uint16_t port) : socket_client(connected_to(port), false) {}

socket_client::socket_client(int fd, bool has_structured_replies)
    : talk(has_structured_replies), fd_(fd), structured_(has_structured_replies) {}

socket_client::~socket_client() {
    close(fd_);
}

void socket_client::wait_for(short events) {
    pollfd one{fd_, events, 0};
    REQUIRE(poll(&one, 1, static_cast<int>(std::chrono::milliseconds(patience_of_tests).count())) == 1);
}

// 0: nothing can be sent now.
std::size_t socket_client::send_some(bytes_view bytes) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

// 0: the end.
std::size_t socket_client::receive_some(bytes_span into) {
    wait_for(POLLIN);
    const ssize_t got = recv(fd_, into.data(), into.size(), 0);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

void socket_client::send(bytes_view bytes) {
    while (!bytes.empty()) {
        wait_for(POLLOUT);
        const std::size_t sent = send_some(bytes);
        REQUIRE(sent != 0);
        bytes = bytes.subspan(sent);
    }
}

void socket_client::drip(bytes_view bytes) {
    for (const std::byte& each : bytes) {
        send({&each, 1});
        int unread = 1;
        CHECK(becomes_true([&] { return ioctl(fd_, SIOCOUTQ, &unread) == 0 && unread == 0; }));
    }
}

message socket_client::receive(std::size_t bytes) {
    message got(bytes);
    receive_into(got);
    return got;
}

void socket_client::receive_into(bytes_span whole) {
    while (!whole.empty()) {
        const std::size_t more = receive_some(whole);
        REQUIRE(more != 0);
        whole = whole.subspan(more);
    }
}

bool socket_client::sees_end() {
    std::array<std::byte, 65536> heard;
    while (receive_some(heard) != 0) {
    }
    return true;
}

message socket_client::hello() const {
    message said = client_flags(fixed_newstyle_without_zeroes);
    if (structured_)
        append(said, option_message(option::structured_reply));
    append(said, option_message(option::go, info_data("")));
    return said;
}

void socket_client::shake_hands() {
    send(hello());
    hear_welcome();
}

void socket_client::hear_welcome() {
    receive(greeting_bytes);
    hear_acknowledged(option::go, 1);
}

void socket_client::hear_acknowledged(option what, unsigned times) {
    while (times != 0) {
        message whole = receive(20);
        append(whole, receive(load_big<std::uint32_t>(whole.data() + 16)));
        const auto replies = replies_in(whole);
        REQUIRE(replies);
        times -= replies->front().to == what && replies->front().type == option_reply::ack ? 1U : 0U;
    }
}

bool socket_client::settle() {
    std::array<std::byte, 65536> heard;
    while (talk.unanswered() != 0 || !talk.unsent().empty()) {
        wait_for(static_cast<short>(talk.unsent().empty() ? POLLIN : POLLIN | POLLOUT));
        talk.has_sent(send_some(talk.unsent()));
        const ssize_t got = recv(fd_, heard.data(), heard.size(), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return false;
        talk.receive(bytes_view(heard).first(got < 0 ? 0 : static_cast<std::size_t>(got)));
    }
    return true;
}

std::uint32_t socket_client::error_of(std::uint64_t cookie) {
    REQUIRE(settle());
    const std::uint32_t error = talk.error_of(cookie);
    talk.forget_replies();
    return error;
}

std::uint32_t socket_client::write(std::uint64_t offset_bytes, bytes_view data, std::uint16_t flags) {
    return error_of(talk.write(offset_bytes, data, flags));
}

std::vector<std::byte> socket_client::read(std::uint64_t offset_bytes, std::uint32_t length_bytes) {
    const std::uint64_t cookie = talk.ask(command::read, offset_bytes, length_bytes);
    REQUIRE(settle());
    const std::vector<std::byte> data = talk.reply_to(cookie).data;
    talk.forget_replies();
    return data;
}

std::uint32_t socket_client::flush() {
    return error_of(talk.ask(command::flush, 0, 0));
}

} // namespace blkcrypto::test
