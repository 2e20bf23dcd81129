// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/receive_buffer.hpp"

#include <cstring>

namespace blkcrypto::nbd {

bool receive_buffer::turn_over() noexcept {
    const bytes_span kept = unread();
    const bool is_shared = current_ == nullptr || current_->holders > 1;
    chunk* const next = is_shared ? pool_.try_get() : current_;
    if (next == nullptr)
        return false;
    if (!kept.empty())
        std::memmove(next->data, kept.data(), kept.size());
    if (is_shared && current_ != nullptr)
        pool_.drop(*current_);
    current_ = next;
    begin_ = 0;
    end_ = static_cast<std::uint32_t>(kept.size());
    return true;
}

bytes_span receive_buffer::space(std::uint32_t first_bytes, std::uint32_t each_bytes) noexcept {
    const bool is_done_with = current_ != nullptr && unread().empty() && current_->holders == 1;
    if (is_done_with)
        begin_ = end_ = 0;
    if (current_ == nullptr || offer(first_bytes, each_bytes) == 0)
        if (!turn_over())
            return {};
    return {current_->data + end_, offer(first_bytes, each_bytes)};
}

std::uint32_t receive_buffer::offer(std::uint32_t first_bytes, std::uint32_t each_bytes) const noexcept {
    const std::uint32_t left = chunk_bytes - begin_;
    if (first_bytes >= left)
        return chunk_bytes - end_;
    const std::uint32_t end = first_bytes + (left - first_bytes) / each_bytes * each_bytes;
    const std::uint32_t unread_bytes = end_ - begin_;
    return end > unread_bytes ? end - unread_bytes : 0;
}

void receive_buffer::reset() noexcept {
    if (current_ != nullptr)
        pool_.drop(*current_);
    current_ = nullptr;
    begin_ = end_ = 0;
}

} // namespace blkcrypto::nbd
