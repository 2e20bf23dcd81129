// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/server_thread.hpp"

namespace blkcrypto::nbd {
namespace {

constexpr int one_thread = 1; // runs the context, which may then do with fewer locks

struct flush_end final : bio_end_io {
    void end_io(bio&) noexcept override { has_ended = true; }
    bool has_ended = false;
};

} // namespace

void server_thread_statistics::add(const server_thread_statistics& other) noexcept {
    connections += other.connections;
    commands.add(other.commands);
    keyslots += other.keyslots;
}

server_thread::server_thread(const served_disk& disk, std::chrono::milliseconds patience,
                             std::atomic<std::size_t>& clients)
    : disk_(disk), patience_(patience), clients_(clients), context_(one_thread),
      work_(context_.get_executor()), sleeper_(context_) {}

server_thread::~server_thread() = default;

result<std::unique_ptr<server_thread>> server_thread::make(const served_disk& disk,
                                                           std::chrono::milliseconds patience,
                                                           std::atomic<std::size_t>& clients) {
    return or_no_memory([&]() -> result<std::unique_ptr<server_thread>> {
        try {
            std::unique_ptr<server_thread> made(new server_thread(disk, patience, clients));
            if (const std::error_code error = made->set_up())
                return error;
            return made;
        } catch (const boost::system::system_error& failure) { // an event loop takes descriptors
            return make_error(failure.code().value());
        }
    });
}

std::error_code server_thread::set_up() noexcept {
    auto environment = thread_env::make(nullptr, &sleeper_);
    if (!environment)
        return environment.error();
    env_ = std::move(*environment);
    auto queue = disk_.device.make_queue(*env_, {});
    if (!queue)
        return queue.error();
    queue_ = std::move(*queue);
    return {};
}

void server_thread::adopt(client_socket&& socket) noexcept {
    try {
        // First: a connection that waits for its client cannot be undone.
        connections_.reserve(connections_.size() + 1);
        if (!is_draining_)
            connections_.push_back(
                std::make_unique<connection>(std::move(socket), disk_, *queue_, counters_, patience_));
        else
            --clients_;
    } catch (const std::exception&) { // no memory, no descriptors: the client finds the socket closed
        --clients_;
    }
}

void server_thread::run() noexcept {
    while (!is_draining_ || !connections_.empty())
        turn();
}

void server_thread::run_until_released() noexcept {
    run();
    while (!is_released_)
        turn();
}

void server_thread::turn() noexcept {
    if (env_->has_due())
        context_.poll();
    else
        env_->sleep();
    queue_->poll();
    for (const auto& each : connections_)
        each->service();
    clients_ -= std::erase_if(connections_, [](const auto& each) { return each->is_over(); });
}

void server_thread::drain() noexcept {
    is_draining_ = true;
    for (const auto& each : connections_)
        each->drain();
}

blk_status server_thread::flush() noexcept {
    flush_end told;
    bio b;
    b.prepare_range(bio_op::flush, sector{}, 0, told);
    queue_->submit(b);
    while (!told.has_ended) {
        queue_->poll();
        if (!told.has_ended)
            env_->sleep();
    }
    return b.status;
}

server_thread_statistics server_thread::statistics() const noexcept {
    return {connections_.size(), counters_, queue_->keyslot_use()};
}

} // namespace blkcrypto::nbd
