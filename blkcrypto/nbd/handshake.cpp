// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/handshake.hpp"

#include "blkcrypto/nbd/handshake_options.hpp"

#include <algorithm>

namespace blkcrypto::nbd {
namespace {

constexpr std::size_t client_flags_bytes = 4;
constexpr std::uint32_t known_client_flags = handshake_flag::fixed_newstyle | handshake_flag::no_zeroes;

} // namespace

handshake::handshake(const export_info& served) : served_(served), replies_(served) {
    replies_.add_greeting();
}

std::size_t handshake::consume(bytes_view input) noexcept {
    if (state_ != state::negotiating || !replies_.has_room())
        return 0;
    switch (awaited_) {
    case awaited::client_flags:
        return take_client_flags(input);
    case awaited::option:
        return take_option(input);
    case awaited::rest_of_option:
        return skip(input);
    }
    return 0;
}

// The protocol has us disconnect a client that wants what it was not offered.
std::size_t handshake::take_client_flags(bytes_view input) noexcept {
    if (input.size() < client_flags_bytes)
        return 0;
    const auto flags = load_big<std::uint32_t>(input.data());
    if ((flags & ~known_client_flags) != 0)
        state_ = state::closing;
    fixed_newstyle_ = (flags & handshake_flag::fixed_newstyle) != 0;
    no_zeroes_ = (flags & handshake_flag::no_zeroes) != 0;
    awaited_ = awaited::option;
    return client_flags_bytes;
}

std::size_t handshake::take_option(bytes_view input) noexcept {
    if (input.size() < option_header_bytes)
        return 0;
    const option_header header = decode_header(input);
    if (!is_acceptable(header)) {
        state_ = state::closing;
        return option_header_bytes;
    }
    const bool is_skipped = header.length_bytes > option_bytes_max;
    const std::size_t taken_bytes = option_header_bytes + (is_skipped ? 0 : header.length_bytes);
    if (input.size() < taken_bytes)
        return 0;
    ++options_;
    if (is_skipped) {
        skipped_ = header.type;
        to_skip_bytes_ = header.length_bytes;
        awaited_ = awaited::rest_of_option;
    } else {
        answer(header.type, input.subspan(option_header_bytes, header.length_bytes));
    }
    return taken_bytes;
}

std::size_t handshake::skip(bytes_view input) noexcept {
    const std::size_t bytes = std::min<std::size_t>(input.size(), to_skip_bytes_);
    to_skip_bytes_ -= static_cast<std::uint32_t>(bytes);
    if (to_skip_bytes_ == 0) {
        replies_.add(skipped_, option_reply::err_too_big);
        awaited_ = awaited::option;
    }
    return bytes;
}

handshake::option_header handshake::decode_header(bytes_view from) noexcept {
    return {.magic = load_big<std::uint64_t>(from.data()),
            .type = option{load_big<std::uint32_t>(from.data() + 8)},
            .length_bytes = load_big<std::uint32_t>(from.data() + 12)};
}

// NBD_OPT_EXPORT_NAME has no reply for errors, and a client that is not of the fixed kind knows no replies to
// options at all.
bool handshake::is_acceptable(const option_header& header) const noexcept {
    if (header.magic != option_magic || options_ == options_max)
        return false;
    if (header.type == option::export_name)
        return header.length_bytes <= string_bytes_max;
    return fixed_newstyle_ && header.length_bytes <= skipped_bytes_max;
}

void handshake::answer(option type, bytes_view data) noexcept {
    switch (type) {
    case option::export_name:
        return answer_export_name(data);
    case option::abort:
        return answer_abort();
    case option::list:
        return answer_list(data);
    case option::info:
    case option::go:
        return answer_info(type, data);
    case option::structured_reply:
        return answer_structured_reply(data);
    case option::list_meta_context:
    case option::set_meta_context:
        return answer_meta_context(type, data);
    default:
        return replies_.add(type, option_reply::err_unsup);
    }
}

void handshake::answer_export_name(bytes_view data) noexcept {
    if (text_of(data) != served_.name) {
        state_ = state::closing;
        return;
    }
    replies_.add_export(flags(), !no_zeroes_);
    state_ = state::done;
}

// With data, too: servers are to pass over it here.
void handshake::answer_abort() noexcept {
    replies_.add(option::abort, option_reply::ack);
    state_ = state::closing;
}

void handshake::answer_list(bytes_view data) noexcept {
    if (!data.empty())
        return replies_.add(option::list, option_reply::err_invalid);
    replies_.add_server(option::list);
    replies_.add(option::list, option_reply::ack);
}

void handshake::answer_structured_reply(bytes_view data) noexcept {
    if (!data.empty())
        return replies_.add(option::structured_reply, option_reply::err_invalid);
    outcome_.structured_replies = true;
    replies_.add(option::structured_reply, option_reply::ack);
}

// Block sizes are told to all: we insist on them whether the client has asked or not.
void handshake::answer_info(option type, bytes_view data) noexcept {
    info_option asked;
    if (!decode(data, asked))
        return replies_.add(type, option_reply::err_invalid);
    if (asked.export_name != served_.name)
        return replies_.add(type, option_reply::err_unknown);
    replies_.add_info_export(type, flags());
    replies_.add_info_block_size(type);
    if (asked.wants_name)
        replies_.add_info_name(type);
    if (asked.wants_description)
        replies_.add_info_description(type);
    replies_.add(type, option_reply::ack);
    if (type == option::go)
        state_ = state::done;
}

// What had been set is gone even if setting fails. A context is set for one export, and since only one can be
// named here, and only the same one served afterwards, its name need not be kept. The namespace alone, or no
// query, stands for all contexts when they are listed, and for none when they are set.
void handshake::answer_meta_context(option type, bytes_view data) noexcept {
    const bool sets = type == option::set_meta_context;
    if (sets)
        outcome_.base_allocation = false;
    meta_context_option asked;
    if (!outcome_.structured_replies || !decode(data, asked))
        return replies_.add(type, option_reply::err_invalid);
    if (asked.export_name != served_.name)
        return replies_.add(type, option_reply::err_unknown);
    const bool means_all = !sets && (asked.names_base || !asked.has_queries);
    if (asked.names_base_allocation || means_all)
        replies_.add_base_allocation(type, sets ? base_allocation_id : 0);
    if (sets)
        outcome_.base_allocation = asked.names_base_allocation;
    replies_.add(type, option_reply::ack);
}

} // namespace blkcrypto::nbd
