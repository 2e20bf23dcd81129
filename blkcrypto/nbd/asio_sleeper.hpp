// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes a thread that serves sockets sleep in Asio: its env wakes for what other threads post and for the
// rings of its queues, its io_context for sockets, signals and timers, and this for all of them.

#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/nbd/handler_memory.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <vector>

namespace blkcrypto::nbd {

/// Descriptors are known by their number: a source that goes away is not followed by another with the same
/// one.
class asio_sleeper final : public thread_sleeper {
  public:
    /// `context` runs in nobody else.
    explicit asio_sleeper(boost::asio::io_context& context) : context_(context), timer_(context) {}

    /// Runs one handler of the context, after waiting for it. Runs on_ready() of sources that are.
    void sleep(int wake_fd, std::span<event_source* const> sources,
               std::int64_t timeout_ns) noexcept override;

  private:
    /// A descriptor that is watched, and not owned.
    struct watch {
        watch(boost::asio::io_context& context, int fd) : descriptor(context, fd) {}
        ~watch() { descriptor.release(); }

        boost::asio::posix::stream_descriptor descriptor;
        handler_memory memory;
        bool is_armed = false;
        bool is_ready = false;
    };

    const std::shared_ptr<watch>& watch_of(int fd);
    void arm(int fd);
    bool take_readiness(int fd);

    boost::asio::io_context& context_;
    boost::asio::steady_timer timer_;
    std::vector<std::shared_ptr<watch>> watches_; // also held by what waits in the context
};

} // namespace blkcrypto::nbd
