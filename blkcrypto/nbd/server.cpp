// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <future>

namespace blkcrypto::nbd {

namespace asio = boost::asio;

namespace {

// A reply of usual size and another: the fewer pieces it goes out in, the fewer times both sides are woken.
constexpr int send_buffer_bytes = 1 << 20;

} // namespace

/// A thread beside the main one, from its birth to its end.
struct server::helper_thread {
    std::thread thread;
    server_thread* server = nullptr; // of that thread, while it runs

    ~helper_thread() {
        if (server != nullptr)
            asio::post(server->context(), [s = server] { s->release(); });
        if (thread.joinable())
            thread.join();
    }
};

result<std::unique_ptr<server>> server::make(const served_disk& disk, const server_options& options) {
    if (options.threads == 0)
        return make_error(EINVAL);
    return or_no_memory([&]() -> result<std::unique_ptr<server>> {
        std::unique_ptr<server> made(new server(options));
        auto main = server_thread::make(disk, options.patience, made->connections_);
        if (!main)
            return main.error();
        made->main_ = std::move(*main);
        made->helpers_.reserve(options.threads); // nothing may fail once a thread runs
        for (unsigned i = 1; i < options.threads; ++i)
            if (const std::error_code error = made->start_thread(disk))
                return error;
        return made;
    });
}

server::server(const server_options& options) : options_(options) {}

server::~server() {
    stop();
}

std::error_code server::start_thread(const served_disk& disk) {
    auto helper = std::make_unique<helper_thread>();
    std::promise<std::error_code> started; // the thread's: it may still be in set_value() when we have it
    auto outcome = started.get_future();
    auto serve = [this, &disk, started = std::move(started), to = helper.get()]() mutable {
        auto own = server_thread::make(disk, options_.patience, connections_);
        if (own)
            to->server = own->get();
        started.set_value(own ? std::error_code() : own.error());
        if (!own)
            return;
        (*own)->run_until_released();
        failed_flushes_ += (*own)->statistics().commands.flush_failures;
    };
    try {
        helper->thread = std::thread(std::move(serve));
    } catch (const std::system_error&) {
        return make_error(EAGAIN);
    }
    const std::error_code error = outcome.get();
    if (!error)
        helpers_.push_back(std::move(helper));
    return error;
}

void server::listen(listener&& at) {
    listener_.emplace(std::move(at));
    accept();
}

server_thread& server::thread_at(std::size_t index) noexcept {
    return index == 0 ? *main_ : *helpers_[index - 1]->server;
}

// The next client goes to the next thread.
void server::accept() {
    const std::size_t to = next_thread_;
    next_thread_ = (next_thread_ + 1) % options_.threads;
    listener_->acceptor().async_accept(
        thread_at(to).context(), [this, to](const boost::system::error_code& error, client_socket socket) {
            if (is_stopping_)
                return;
            if (!error)
                hand_over(std::move(socket), to);
            if (error && error != asio::error::connection_aborted)
                accept_later();
            else
                accept();
        });
}

// No descriptors, or no memory: waits for a client to leave.
void server::accept_later() {
    retry_.emplace(context(), std::chrono::milliseconds(100));
    retry_->async_wait([this](const boost::system::error_code& error) {
        if (!error && !is_stopping_)
            accept();
    });
}

void server::hand_over(client_socket&& socket, std::size_t to) {
    if (connections_.load() >= options_.connections_max)
        return;
    ++connections_;
    // The system has a limit for the one, and unix sockets refuse the other, which they do not need.
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::send_buffer_size(send_buffer_bytes), ignored);
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    server_thread& thread = thread_at(to);
    if (to == 0)
        return thread.adopt(std::move(socket));
    asio::post(thread.context(), [&thread, s = std::move(socket)]() mutable { thread.adopt(std::move(s)); });
}

blk_status server::run() noexcept {
    main_->run();
    context().poll(); // lets go of a client that has just been accepted, on behalf of a helper
    helpers_.clear(); // waits for them
    const blk_status last = main_->flush();
    failed_flushes_ += main_->statistics().commands.flush_failures;
    return last == blk_status::ok && failed_flushes_ != 0 ? blk_status::ioerr : last;
}

void server::stop() noexcept {
    if (std::exchange(is_stopping_, true))
        return;
    retry_.reset();
    listener_.reset();
    for (const auto& helper : helpers_)
        asio::post(helper->server->context(), [server = helper->server] { server->drain(); });
    if (main_)
        main_->drain();
}

void server::gather_statistics(std::function<void(const server_thread_statistics&)> tell) {
    struct sum {
        std::function<void(const server_thread_statistics&)> tell;
        server_thread_statistics so_far;
        std::size_t missing;
    };
    const std::size_t others = is_stopping_ ? 0 : helpers_.size(); // they may have ended
    const auto whole = std::make_shared<sum>(sum{std::move(tell), main_->statistics(), others});
    if (whole->missing == 0)
        return whole->tell(whole->so_far);
    for (const auto& helper : helpers_)
        asio::post(helper->server->context(), [this, whole, from = helper->server] {
            const auto part = std::make_shared<server_thread_statistics>(from->statistics());
            asio::post(context(), [whole, part] {
                whole->so_far.add(*part);
                if (--whole->missing == 0)
                    whole->tell(whole->so_far);
            });
        });
}

} // namespace blkcrypto::nbd
