// SPDX-License-Identifier: Apache-2.0
#pragma once
// The fixed newstyle handshake of an NBD server, without I/O: bytes of the client go in, bytes for the client
// come out. Whoever has the socket (connection.hpp) reads, calls, writes. Written for hostile clients:
// nothing they send is kept but the option that is being read, at most option_bytes_max of it; there is a
// limit on the number of options; nothing allocates after the constructor.
//
// What is served: doc/proto.md, "Fixed newstyle negotiation". NBD_OPT_EXPORT_NAME, ABORT, LIST, INFO, GO,
// STRUCTURED_REPLY, LIST_META_CONTEXT, SET_META_CONTEXT; all others are refused with NBD_REP_ERR_UNSUP and
// the client may go on. A client without fixed newstyle gets EXPORT_NAME and no other.

#include "blkcrypto/nbd/handshake_replies.hpp"

namespace blkcrypto::nbd {

class handshake {
  public:
    /// A name and some queries fit easily. Longer ones are skipped and answered with NBD_REP_ERR_TOO_BIG; a
    /// client that announces more than skipped_bytes_max is disconnected.
    static constexpr std::uint32_t option_bytes_max = 16 << 10;
    static constexpr std::uint32_t skipped_bytes_max = 1 << 20;
    static constexpr unsigned options_max = 256;
    /// What consume() needs to see at once, at most.
    static constexpr std::size_t message_bytes_max = option_header_bytes + option_bytes_max;

    enum class state : std::uint8_t {
        negotiating,
        done,   // once the output has been sent the client is in transmission
        closing // once the output has been sent the connection is to be closed
    };

    /// The output has the greeting in it already. `served` outlives it; its strings are of string_bytes_max
    /// at most.
    explicit handshake(const export_info& served);

    /// Takes a message off the front of what the client has sent, or a part of one that is skipped: the
    /// number of bytes taken, 0 if there has to come more first, or less output has to stand. Call again
    /// until it is 0: `input` is at least message_bytes_max, or all there is. Takes nothing once state() is
    /// not negotiating.
    std::size_t consume(bytes_view input) noexcept;

    /// What is to be sent, and that the first `bytes` of it have been. It stays where it is until sent(), so
    /// that it may be under way while consume() adds to it.
    bytes_view output() const noexcept { return replies_.bytes(); }
    void sent(std::size_t bytes) noexcept { replies_.sent(bytes); }

    state current_state() const noexcept { return state_; }
    const negotiated& outcome() const noexcept { return outcome_; }

  private:
    /// What comes next.
    enum class awaited : std::uint8_t { client_flags, option, rest_of_option };

    /// What precedes the data of an option.
    struct option_header {
        std::uint64_t magic = 0;
        option type{};
        std::uint32_t length_bytes = 0;
    };

    std::size_t take_client_flags(bytes_view input) noexcept;
    std::size_t take_option(bytes_view input) noexcept;
    std::size_t skip(bytes_view input) noexcept;
    static option_header decode_header(bytes_view from) noexcept;
    bool is_acceptable(const option_header& header) const noexcept;

    void answer(option type, bytes_view data) noexcept;
    void answer_export_name(bytes_view data) noexcept;
    void answer_abort() noexcept;
    void answer_list(bytes_view data) noexcept;
    void answer_structured_reply(bytes_view data) noexcept;
    void answer_info(option type, bytes_view data) noexcept;
    void answer_meta_context(option type, bytes_view data) noexcept;
    std::uint16_t flags() const noexcept { return served_.flags(outcome_.structured_replies); }

    const export_info& served_;
    handshake_replies replies_;
    state state_ = state::negotiating;
    awaited awaited_ = awaited::client_flags;
    bool fixed_newstyle_ = false; // said by the client, as is the next
    bool no_zeroes_ = false;
    unsigned options_ = 0;            // that have been taken
    option skipped_{};                // what is to be answered once rest_of_option has been passed over
    std::uint32_t to_skip_bytes_ = 0; // of it, that have not come yet
    negotiated outcome_;
};

} // namespace blkcrypto::nbd
