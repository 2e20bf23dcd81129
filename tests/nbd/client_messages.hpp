// SPDX-License-Identifier: Apache-2.0
#pragma once
// The client's side of the NBD handshake for tests and fuzzers: messages made from their fields, and replies
// taken apart. Written from the protocol, with nothing of the server's code but the names of its numbers.

#include "blkcrypto/nbd/wire.hpp"

#include <concepts>
#include <optional>
#include <string_view>
#include <vector>

namespace blkcrypto::test {

using message = std::vector<std::byte>;

void append(message& to, bytes_view bytes);

inline void append_field(message& to, std::string_view text) {
    append(to, std::as_bytes(std::span(text)));
}
inline void append_field(message& to, bytes_view bytes) {
    append(to, bytes);
}
void append_field(message& to, std::unsigned_integral auto number) {
    std::array<std::byte, sizeof(number)> bytes;
    store_big(bytes.data(), number);
    append(to, bytes);
}

/// Numbers big endian in the width of their types, and text as it is, one after the other.
message packed(const auto&... fields) {
    message made;
    (append_field(made, fields), ...);
    return made;
}

inline std::uint32_t length_of(bytes_view bytes) {
    return static_cast<std::uint32_t>(bytes.size());
}
inline std::uint32_t length_of(std::string_view text) {
    return static_cast<std::uint32_t>(text.size());
}

message client_flags(std::uint32_t flags);
message option_header(nbd::option type, std::uint32_t length_bytes);
message option_message(nbd::option type, bytes_view data = {});
inline message option_message(nbd::option type, std::string_view text) {
    return option_message(type, std::as_bytes(std::span(text)));
}

/// The data of NBD_OPT_INFO and NBD_OPT_GO.
message info_data(std::string_view name, const std::vector<std::uint16_t>& types = {});
/// The data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT.
message meta_data(std::string_view name, const std::vector<std::string_view>& queries = {});

/// One reply to an option.
struct reply {
    nbd::option to{};
    nbd::option_reply type{};
    message data;
    bool operator==(const reply&) const = default;
};

/// The replies that `output` consists of, if it is nothing else: the greeting is not one, nor is what
/// NBD_OPT_EXPORT_NAME is answered with.
std::optional<std::vector<reply>> replies_in(bytes_view output);

} // namespace blkcrypto::test
