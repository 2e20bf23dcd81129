// SPDX-License-Identifier: Apache-2.0
#pragma once
// A server on a thread of its own, at a socket in a directory that is gone afterwards, and clients that
// block. Nothing here waits for time to pass: whoever waits, waits for something to happen, and fails if that
// takes half a minute.

#include "blkcrypto/nbd/server.hpp"
#include "tests/nbd/client_messages.hpp"
#include "tests/nbd/transmission_rig.hpp"

#include <future>
#include <string>
#include <thread>

namespace blkcrypto::test {

inline constexpr std::chrono::seconds patience_of_tests{30};

class temporary_folder {
  public:
    temporary_folder();
    ~temporary_folder();
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;

    std::string path_of(std::string_view name) const { return path_ + "/" + std::string(name); }

  private:
    std::string path_;
};

/// Asks again and again whether `holds`. False if it never does.
template <typename Condition>
bool becomes_true(Condition holds) {
    const auto give_up = std::chrono::steady_clock::now() + patience_of_tests;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > give_up)
            return false;
        std::this_thread::yield();
    }
    return true;
}

class running_server {
  public:
    explicit running_server(block_device& device, const nbd::server_options& options = {},
                            std::string description = {});
    /// Stops it.
    ~running_server();

    const std::string& path() const noexcept { return path_; }

    /// Runs `act` in the server's loop, at some time.
    void post(std::function<void(nbd::server&)> act);
    /// Lets it stop, and does not wait for that.
    void begin_stop();
    /// It stops by itself.
    void expect_stop() noexcept { is_stopping_ = true; }
    bool has_ended();
    /// What run() has returned. Stops it.
    blk_status end();

    nbd::server_thread_statistics statistics();
    bool has_connections(std::size_t number);
    bool has_no_connections() { return has_connections(0); }

  private:
    blk_status serve();

    const nbd::server_options options_;
    const nbd::served_disk disk_;
    temporary_folder folder_;
    const std::string path_ = folder_.path_of("socket");
    nbd::server* server_ = nullptr; // while it runs
    std::promise<void> started_;
    std::future<blk_status> outcome_;
    std::optional<blk_status> ended_with_;
    bool is_stopping_ = false;
    std::thread thread_;
};

/// The client's side of a socket. What is not as it should be fails the test.
class socket_client {
  public:
    static constexpr std::size_t greeting_bytes = 18;

    explicit socket_client(const std::string& path);
    socket_client(const running_server& at, bool has_structured_replies = false);
    explicit socket_client(std::uint16_t port);
    ~socket_client();
    socket_client(const socket_client&) = delete;
    socket_client& operator=(const socket_client&) = delete;

    void send(bytes_view bytes);
    /// One after the other, each once the server has the one before.
    void drip(bytes_view bytes);
    message receive(std::size_t bytes);
    void receive_into(bytes_span whole);
    /// Reads whatever comes. True if at last there comes an end.
    bool sees_end();

    /// From the greeting to transmission.
    void shake_hands();
    /// Hears that it is in transmission, having said what hello() says.
    void hear_welcome();
    /// Hears replies to options, so many acknowledgements of this one among them.
    void hear_acknowledged(nbd::option what, unsigned times);
    message hello() const;

    /// Sends what has been asked and hears all answers to it; false if there comes an end instead.
    bool settle();
    std::uint32_t write(std::uint64_t offset_bytes, bytes_view data, std::uint16_t flags = 0);
    std::vector<std::byte> read(std::uint64_t offset_bytes, std::uint32_t length_bytes);
    std::uint32_t flush();

    nbd_client talk;

  private:
    socket_client(int fd, bool has_structured_replies);
    void wait_for(short events);
    std::size_t send_some(bytes_view bytes);
    std::size_t receive_some(bytes_span into);
    std::uint32_t error_of(std::uint64_t cookie);

    const int fd_;
    const bool structured_;
};

} // namespace blkcrypto::test
