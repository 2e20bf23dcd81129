// SPDX-License-Identifier: Apache-2.0
#pragma once
// One thread of a server: its event loop, its queue of the disk, and the connections that are its own. Each
// turn of the loop receives what has come, polls the queue, and sends what has ended, so that many requests
// share a system call of each kind.

#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/nbd/asio_sleeper.hpp"
#include "blkcrypto/nbd/connection.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <vector>

namespace blkcrypto::nbd {

struct server_thread_statistics {
    std::size_t connections = 0;
    command_counters commands;
    keyslot_counters keyslots;

    void add(const server_thread_statistics& other) noexcept;
};

class server_thread {
  public:
    /// To be called on the thread, as everything else that does not say otherwise. `disk` outlives it. Errors
    /// of the environment and of make_queue(). `clients` is counted down for each connection that is over.
    static result<std::unique_ptr<server_thread>>
    make(const served_disk& disk, std::chrono::milliseconds patience, std::atomic<std::size_t>& clients);
    ~server_thread();

    /// Other threads may post to it.
    boost::asio::io_context& context() noexcept { return context_; }

    void adopt(client_socket&& socket) noexcept;

    /// Serves until drain() was called and the last connection is over.
    void run() noexcept;
    void drain() noexcept;

    /// As run(), and goes on with what others post until release().
    void run_until_released() noexcept;
    void release() noexcept { is_released_ = true; }

    /// Makes stable what was written through any queue.
    blk_status flush() noexcept;

    std::size_t connections() const noexcept { return connections_.size(); }
    server_thread_statistics statistics() const noexcept;

  private:
    server_thread(const served_disk& disk, std::chrono::milliseconds patience,
                  std::atomic<std::size_t>& clients);
    std::error_code set_up() noexcept;
    void turn() noexcept;

    const served_disk& disk_;
    const std::chrono::milliseconds patience_;
    std::atomic<std::size_t>& clients_;
    boost::asio::io_context context_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    asio_sleeper sleeper_;
    std::unique_ptr<thread_env> env_;
    std::unique_ptr<block_queue> queue_;
    command_counters counters_;
    std::vector<std::unique_ptr<connection>> connections_;
    bool is_draining_ = false;
    bool is_released_ = false; // nobody posts to it any more
};

} // namespace blkcrypto::nbd
