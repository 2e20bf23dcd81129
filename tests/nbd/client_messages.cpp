// SPDX-License-Identifier: Apache-2.0
#include "tests/nbd/client_messages.hpp"

#include <algorithm>

namespace blkcrypto::test {

using namespace blkcrypto::nbd;

void append(message& to, bytes_view bytes) {
    const std::size_t before = to.size();
    to.resize(before + bytes.size());
    std::ranges::copy(bytes, to.begin() + static_cast<std::ptrdiff_t>(before));
}

message client_flags(std::uint32_t flags) {
    return packed(flags);
}

message option_header(option type, std::uint32_t length_bytes) {
    return packed(std::string_view("IHAVEOPT"), static_cast<std::uint32_t>(type), length_bytes);
}

message option_message(option type, bytes_view data) {
    message made = option_header(type, length_of(data));
    append(made, data);
    return made;
}

message info_data(std::string_view name, const std::vector<std::uint16_t>& types) {
    message made = packed(length_of(name), name, static_cast<std::uint16_t>(types.size()));
    for (const std::uint16_t type : types)
        append_field(made, type);
    return made;
}

message meta_data(std::string_view name, const std::vector<std::string_view>& queries) {
    message made = packed(length_of(name), name, static_cast<std::uint32_t>(queries.size()));
    for (const std::string_view query : queries)
        append(made, packed(length_of(query), query));
    return made;
}

std::optional<std::vector<reply>> replies_in(bytes_view output) {
    constexpr std::size_t header_bytes = 20;
    std::vector<reply> replies;
    while (!output.empty()) {
        if (output.size() < header_bytes || load_big<std::uint64_t>(output.data()) != 0x3e889045565a9)
            return std::nullopt;
        const auto length_bytes = load_big<std::uint32_t>(output.data() + 16);
        if (length_bytes > output.size() - header_bytes)
            return std::nullopt;
        const bytes_view data = output.subspan(header_bytes, length_bytes);
        replies.push_back({.to = option{load_big<std::uint32_t>(output.data() + 8)},
                           .type = option_reply{load_big<std::uint32_t>(output.data() + 12)},
                           .data = {data.begin(), data.end()}});
        output = output.subspan(header_bytes + length_bytes);
    }
    return replies;
}

} // namespace blkcrypto::test
