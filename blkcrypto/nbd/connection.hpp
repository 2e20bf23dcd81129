// SPDX-License-Identifier: Apache-2.0
#pragma once
// One client's socket, with the handshake and then the transmission behind it. It only moves bytes: receives
// where they want them, sends what they have. Belongs to a server_thread, which calls service() each time it
// has polled its queue, and nothing here runs on another thread.

#include "blkcrypto/nbd/handler_memory.hpp"
#include "blkcrypto/nbd/handshake.hpp"
#include "blkcrypto/nbd/transmission.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>

namespace blkcrypto::nbd {

using client_socket = boost::asio::generic::stream_protocol::socket;

class connection {
  public:
    /// All of them outlive it. `patience`: for the handshake, and later for a client that does not fetch its
    /// last replies.
    connection(client_socket&& socket, const served_disk& disk, block_queue& queue,
               command_counters& counters, std::chrono::milliseconds patience);

    /// Sends, receives, goes on to the next phase, or closes: whatever can be done without waiting.
    void service() noexcept;

    /// Takes no more requests. Those in flight are answered, then the socket is closed.
    void drain() noexcept;

    /// Nothing of it is left: it may be destroyed.
    bool is_over() const noexcept;

  private:
    using clock = boost::asio::steady_timer;
    using error_code = boost::system::error_code;

    /// The memory of a handshake, gone when it is over.
    struct negotiation {
        explicit negotiation(const export_info& info) : machine(info), input(handshake::message_bytes_max) {}
        bool consume() noexcept; // true if anything was taken

        handshake machine;
        std::vector<std::byte> input;
        std::size_t received_bytes = 0;
    };

    bool gets_on() noexcept;
    bool end_negotiation() noexcept;
    void begin_transmission() noexcept;
    void give_early_bytes() noexcept;
    bytes_span receive_space() noexcept;
    void receive() noexcept;
    void received(std::size_t bytes) noexcept;
    bool prepare_output() noexcept;
    void sent(std::size_t bytes) noexcept;
    void send() noexcept;
    void lose_patience_later() noexcept;
    void lost() noexcept;
    void close() noexcept;

    /// What one system call sends: as Asio wants it.
    struct send_list {
        using value_type = boost::asio::const_buffer;
        const value_type* begin() const noexcept { return buffers.data(); }
        const value_type* end() const noexcept { return buffers.data() + count; }

        std::array<value_type, 64> buffers;
        std::size_t count = 0;
    };

    client_socket socket_;
    clock timer_;
    const served_disk& disk_;
    block_queue& queue_;
    command_counters& counters_;
    const std::chrono::milliseconds patience_;

    std::optional<negotiation> negotiation_;     // until the handshake is done
    std::unique_ptr<transmission> transmission_; // once the handshake is done
    send_list output_;
    handler_memory receive_memory_;
    handler_memory send_memory_;
    bool is_receiving_ = false;  // an operation is under way
    bool waits_to_send_ = false; // the socket takes no more for now
    unsigned timers_ = 0;        // operations under way
    bool is_closed_ = false;
};

} // namespace blkcrypto::nbd
