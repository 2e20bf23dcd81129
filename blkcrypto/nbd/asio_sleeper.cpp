// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/asio_sleeper.hpp"

#include <algorithm>
#include <chrono>

namespace blkcrypto::nbd {

void asio_sleeper::sleep(int wake_fd, std::span<event_source* const> sources,
                         std::int64_t timeout_ns) noexcept {
    arm(wake_fd);
    for (event_source* const source : sources) {
        source->before_sleep();
        arm(source->fd());
    }
    if (timeout_ns >= 0) {
        timer_.expires_after(std::chrono::nanoseconds(timeout_ns));
        timer_.async_wait([](const auto&) {});
    }
    context_.run_one();
    if (timeout_ns >= 0 && timer_.cancel() != 0)
        context_.poll();     // runs its handler, which would be what the next sleep ends with
    take_readiness(wake_fd); // the env looks for itself
    // on_ready() may unwatch: from the back.
    for (std::size_t i = sources.size(); i-- > 0;)
        if (take_readiness(sources[i]->fd()))
            sources[i]->on_ready();
}

void asio_sleeper::arm(int fd) {
    const std::shared_ptr<watch>& w = watch_of(fd);
    if (std::exchange(w->is_armed, true))
        return;
    w->descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                             in_memory(w->memory, [w](const boost::system::error_code& error) {
                                 w->is_armed = false;
                                 w->is_ready = !error;
                             }));
}

bool asio_sleeper::take_readiness(int fd) {
    return std::exchange(watch_of(fd)->is_ready, false);
}

// One or two of them.
const std::shared_ptr<asio_sleeper::watch>& asio_sleeper::watch_of(int fd) {
    const auto found = std::find_if(watches_.begin(), watches_.end(),
                                    [&](const auto& w) { return w->descriptor.native_handle() == fd; });
    if (found != watches_.end())
        return *found;
    return watches_.emplace_back(std::make_shared<watch>(context_, fd));
}

} // namespace blkcrypto::nbd
