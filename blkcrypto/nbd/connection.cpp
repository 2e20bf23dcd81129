// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/connection.hpp"

#include <algorithm>
#include <cassert>

namespace blkcrypto::nbd {

namespace asio = boost::asio;

connection::connection(client_socket&& socket, const served_disk& disk, block_queue& queue,
                       command_counters& counters, std::chrono::milliseconds patience)
    : socket_(std::move(socket)), timer_(socket_.get_executor()), disk_(disk), queue_(queue),
      counters_(counters), patience_(patience), negotiation_(std::in_place, disk.info) {
    error_code error;
    socket_.non_blocking(true, error);
    lose_patience_later();
    service();
}

bool connection::is_over() const noexcept {
    const bool has_operations = is_receiving_ || waits_to_send_ || timers_ != 0;
    return is_closed_ && !has_operations && (!transmission_ || transmission_->is_idle());
}

void connection::service() noexcept {
    if (is_closed_)
        return;
    send();
    while (!is_closed_ && gets_on())
        send();
    const bool is_ending = transmission_ && !transmission_->takes_input();
    if (is_ending && transmission_->is_idle())
        close();
    else if (is_ending && waits_to_send_ && timers_ == 0)
        lose_patience_later(); // nothing but the client keeps the connection
    if (!is_closed_)
        receive();
}

// With what has been received and was not taken yet. Nobody else tells when there is more room for output, so
// as long as anything moves it has to be sent and tried again.
bool connection::gets_on() noexcept {
    if (!transmission_)
        return negotiation_->consume() || end_negotiation();
    return transmission_->resume();
}

void connection::drain() noexcept {
    if (!transmission_)
        return close();
    transmission_->stop();
    lose_patience_later();
    service();
}

// --- The handshake ---

bool connection::negotiation::consume() noexcept {
    std::size_t taken = 0;
    std::size_t more = 0;
    do {
        more = machine.consume(bytes_view(input).subspan(taken, received_bytes - taken));
        taken += more;
    } while (more != 0);
    std::copy(input.begin() + static_cast<std::ptrdiff_t>(taken),
              input.begin() + static_cast<std::ptrdiff_t>(received_bytes), input.begin());
    received_bytes -= taken;
    return taken != 0;
}

// Once the last reply has been sent. True if the client is in transmission then.
bool connection::end_negotiation() noexcept {
    if (!negotiation_->machine.output().empty())
        return false;
    if (negotiation_->machine.current_state() == handshake::state::closing)
        close();
    else if (negotiation_->machine.current_state() == handshake::state::done)
        begin_transmission();
    return transmission_ != nullptr;
}

void connection::begin_transmission() noexcept {
    timer_.cancel();
    auto made = transmission::make(disk_, negotiation_->machine.outcome(), queue_, counters_);
    if (!made)
        return close();
    transmission_ = std::move(*made);
    give_early_bytes();
    negotiation_.reset();
}

// What has come behind the last option is the beginning of the first requests.
void connection::give_early_bytes() noexcept {
    const bytes_view early = bytes_view(negotiation_->input).first(negotiation_->received_bytes);
    const bytes_span space = transmission_->receive_space();
    assert(early.size() <= space.size()); // the memory of a handshake is smaller than a chunk
    std::copy(early.begin(), early.end(), space.begin());
    transmission_->received(early.size());
}

// --- Bytes ---

bytes_span connection::receive_space() noexcept {
    if (transmission_)
        return transmission_->receive_space();
    // What waits for room to be answered moves, and this memory goes away, once all has been sent.
    const bool is_waiting_for_client =
        negotiation_->machine.current_state() == handshake::state::negotiating &&
        negotiation_->machine.output().empty();
    if (!is_waiting_for_client)
        return {};
    return bytes_span(negotiation_->input).subspan(negotiation_->received_bytes);
}

void connection::receive() noexcept {
    if (is_receiving_)
        return;
    const bytes_span space = receive_space();
    if (space.empty())
        return;
    is_receiving_ = true;
    socket_.async_read_some(asio::buffer(space.data(), space.size()),
                            in_memory(receive_memory_, [this](const error_code& error, std::size_t bytes) {
                                is_receiving_ = false;
                                if (error)
                                    lost();
                                else
                                    received(bytes);
                            }));
}

void connection::received(std::size_t bytes) noexcept {
    if (transmission_)
        transmission_->received(bytes);
    else
        negotiation_->received_bytes += bytes;
}

bool connection::prepare_output() noexcept {
    output_.count = 0;
    const auto add = [&](bytes_view part) {
        output_.buffers[output_.count++] = asio::const_buffer(part.data(), part.size());
    };
    if (transmission_)
        std::ranges::for_each(transmission_->output(), add);
    else if (!negotiation_->machine.output().empty())
        add(negotiation_->machine.output());
    return output_.count != 0;
}

void connection::sent(std::size_t bytes) noexcept {
    if (transmission_)
        transmission_->sent(bytes);
    else
        negotiation_->machine.sent(bytes);
}

void connection::send() noexcept {
    while (!waits_to_send_ && !is_closed_ && prepare_output()) {
        error_code error;
        const std::size_t bytes = socket_.write_some(output_, error);
        if (!error) {
            sent(bytes);
        } else if (error == asio::error::would_block || error == asio::error::try_again) {
            waits_to_send_ = true;
            socket_.async_wait(client_socket::wait_write, in_memory(send_memory_, [this](const error_code&) {
                                   waits_to_send_ = false;
                               }));
        } else {
            lost();
        }
    }
}

// --- The end ---

void connection::lose_patience_later() noexcept {
    ++timers_;
    timer_.expires_after(patience_);
    timer_.async_wait([this](const error_code& error) {
        --timers_;
        // The client may have got on in the moment that the time was over.
        if (!error && (!transmission_ || !transmission_->takes_input()))
            lost();
    });
}

void connection::lost() noexcept {
    if (transmission_)
        transmission_->client_gone();
    close();
}

void connection::close() noexcept {
    if (std::exchange(is_closed_, true))
        return;
    timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
}

} // namespace blkcrypto::nbd
