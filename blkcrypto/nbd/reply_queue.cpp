// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/reply_queue.hpp"

#include <algorithm>

namespace blkcrypto::nbd {

void reply::encode_head(const request_header& answers, std::uint32_t error,
                        const negotiated& agreed) noexcept {
    std::uint32_t data_bytes = 0;
    for (const reply_part* part = data; part != nullptr; part = part->next)
        data_bytes += part->memory.length_bytes;
    const bool is_chunk =
        agreed.structured_replies && (answers.type == command::read || answers.type == command::block_status);
    const std::span<std::byte, 32> into(head);
    if (!is_chunk) {
        encode_simple_reply(into.first<simple_reply_bytes>(), answers.cookie, error);
        head_bytes = simple_reply_bytes;
    } else if (error != 0) {
        encode_error_reply(into.first<error_reply_bytes>(), answers.cookie, error);
        head_bytes = error_reply_bytes;
    } else if (answers.type == command::block_status) {
        encode_structured_reply(into.first<structured_reply_bytes>(), answers.cookie,
                                reply_type::block_status, data_bytes);
        head_bytes = structured_reply_bytes;
    } else {
        encode_structured_reply(into.first<structured_reply_bytes>(), answers.cookie, reply_type::offset_data,
                                sizeof(std::uint64_t) + data_bytes);
        store_big(head.data() + structured_reply_bytes, answers.offset_bytes);
        head_bytes = structured_reply_bytes + sizeof(std::uint64_t);
    }
    bytes = std::uint64_t{head_bytes} + data_bytes;
}

reply* reply_queue::pop() noexcept {
    reply* const first = first_;
    if (first == nullptr)
        return nullptr;
    first_ = first->next;
    if (first_ == nullptr)
        end_ = &first_;
    return first;
}

std::span<const bytes_view> reply_queue::output() noexcept {
    std::size_t count = 0;
    std::uint64_t skip = sent_bytes_;
    const auto add = [&](const std::byte* data, std::size_t bytes) {
        const std::size_t skipped = std::min<std::uint64_t>(skip, bytes);
        skip -= skipped;
        if (skipped != bytes && count != output_.size())
            output_[count++] = {data + skipped, bytes - skipped};
    };
    for (const reply* r = first_; r != nullptr && count != output_.size(); r = r->next) {
        add(r->head.data(), r->head_bytes);
        for (const reply_part* part = r->data; part != nullptr; part = part->next)
            add(part->memory.data, part->memory.length_bytes);
    }
    return std::span(output_).first(count);
}

reply* reply_queue::pop_sent() noexcept {
    if (first_ == nullptr || sent_bytes_ < first_->bytes)
        return nullptr;
    sent_bytes_ -= first_->bytes;
    return pop();
}

} // namespace blkcrypto::nbd
