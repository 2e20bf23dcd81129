// SPDX-License-Identifier: Apache-2.0
#pragma once
// A handshake that a test talks to, message by message.

#include "blkcrypto/nbd/handshake.hpp"
#include "tests/nbd/client_messages.hpp"

#include <doctest/doctest.h>
#include <ostream>

namespace blkcrypto::test {

inline constexpr std::uint32_t both_client_flags = 3;
inline constexpr std::string_view disk_name = "disk";

inline nbd::export_info served_disk_info() {
    return {.name = std::string(disk_name),
            .description = "what it is",
            .size_bytes = 0x123456789a00,
            .block_bytes_min = 512,
            .block_bytes_preferred = 4096,
            .block_bytes_max = 32 << 20};
}

inline std::ostream& operator<<(std::ostream& out, const reply& r) {
    out << "{to " << static_cast<std::uint32_t>(r.to) << ", " << std::hex
        << static_cast<std::uint32_t>(r.type);
    for (const std::byte b : r.data)
        out << " " << std::to_integer<unsigned>(b);
    return out << std::dec << "}";
}

class conversation {
  public:
    using state = nbd::handshake::state;

    /// Past the greeting and, with flags, past these.
    explicit conversation(std::uint32_t flags, nbd::export_info served = served_disk_info())
        : served_(std::move(served)), handshake_(served_) {
        handshake_.sent(handshake_.output().size());
        CHECK(say(client_flags(flags)).empty());
    }

    conversation(const conversation&) = delete; // the handshake refers to what is served
    conversation& operator=(const conversation&) = delete;

    /// What is answered, and taken off the output. All of `said` is taken.
    message say(bytes_view said) {
        message heard;
        while (!said.empty()) {
            const std::size_t bytes = handshake_.consume(said);
            append(heard, handshake_.output());
            handshake_.sent(handshake_.output().size());
            REQUIRE(bytes != 0);
            REQUIRE(bytes <= said.size());
            said = said.subspan(bytes);
        }
        return heard;
    }

    std::vector<reply> ask(nbd::option type, bytes_view data = {}) {
        const auto replies = replies_in(say(option_message(type, data)));
        REQUIRE(replies.has_value());
        return *replies;
    }
    std::vector<reply> ask(nbd::option type, std::string_view text) {
        return ask(type, std::as_bytes(std::span(text)));
    }

    void use_structured_replies() { CHECK(ask(nbd::option::structured_reply).size() == 1); }

    /// The client may go on: an option is answered as it always is.
    bool goes_on() { return current_state() == state::negotiating && ask(nbd::option::list).size() == 2; }

    state current_state() const noexcept { return handshake_.current_state(); }
    const nbd::negotiated& outcome() const noexcept { return handshake_.outcome(); }
    const nbd::export_info& served() const noexcept { return served_; }
    nbd::handshake& subject() noexcept { return handshake_; }

  private:
    nbd::export_info served_;
    nbd::handshake handshake_;
};

/// The replies that consist of an error, or of an end, alone.
inline std::vector<reply> only(nbd::option to, nbd::option_reply type) {
    return {{.to = to, .type = type, .data = {}}};
}

} // namespace blkcrypto::test
