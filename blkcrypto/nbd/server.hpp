// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves one disk to NBD clients: accepts, and spreads connections over threads. Everything public is for the
// thread that made it, whose event loop, context(), is open to others that live on it: signals, a control
// socket.

#include "blkcrypto/nbd/listener.hpp"
#include "blkcrypto/nbd/server_thread.hpp"

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

namespace blkcrypto::nbd {

struct server_options {
    unsigned threads = 1;
    std::size_t connections_max = 64;           // a client beyond finds its connection closed
    std::chrono::milliseconds patience{10'000}; // with a client that does not get on
};

class server {
  public:
    /// `disk` outlives it. EINVAL for no threads; EAGAIN, ENOMEM; errors of make_queue().
    static result<std::unique_ptr<server>> make(const served_disk& disk, const server_options& options);
    ~server();

    boost::asio::io_context& context() noexcept { return main_->context(); }

    /// Clients are accepted there, once the server runs.
    void listen(listener&& at);

    /// Serves until stop(), ends what is in flight, and makes it stable. Not ok: some of what was written may
    /// be missing on the medium, as this flush failed, or one that a client had asked for.
    blk_status run() noexcept;

    /// From a handler of context(): takes no more clients and no more requests, and run() returns.
    void stop() noexcept;

    /// Calls `tell`, in context(), with the sum of all threads; once it stops, with what the first one did.
    /// Not if it stops meanwhile.
    void gather_statistics(std::function<void(const server_thread_statistics&)> tell);

  private:
    struct helper_thread;

    explicit server(const server_options& options);
    std::error_code start_thread(const served_disk& disk);
    void accept();
    void accept_later();
    void hand_over(client_socket&& socket, std::size_t to);
    server_thread& thread_at(std::size_t index) noexcept;

    const server_options options_;
    std::atomic<std::size_t> connections_{0};             // of all threads; each counts down as its own end
    std::atomic<std::uint64_t> failed_flushes_{0};        // of threads that have ended
    std::vector<std::unique_ptr<helper_thread>> helpers_; // the threads beside the main one
    std::unique_ptr<server_thread> main_; // gone before them: what waits there may have sockets of theirs
    std::optional<listener> listener_;
    std::optional<boost::asio::steady_timer> retry_; // of accepting
    std::size_t next_thread_ = 0;                    // that takes a client
    bool is_stopping_ = false;
};

} // namespace blkcrypto::nbd
