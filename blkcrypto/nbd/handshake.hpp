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

#include "blkcrypto/nbd/export_info.hpp"

#include <vector>

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

    /// The output has the greeting in it already. `served` outlives it.
    explicit handshake(const export_info& served);

    /// Takes whole messages off the front of what the client has sent: the number of bytes taken, 0 if there
    /// has to come more first, or less output has to stand. Call again until it is 0: `input` is at least
    /// message_bytes_max, or all there is. Takes nothing once state() is not negotiating.
    std::size_t consume(bytes_view input) noexcept;

    /// What is to be sent, and that the first `bytes` of it have been.
    bytes_view output() const noexcept;
    void sent(std::size_t bytes) noexcept;

    state current_state() const noexcept { return state_; }
    const negotiated& outcome() const noexcept { return outcome_; }

  private:
    const export_info& served_;
    state state_ = state::negotiating;
    negotiated outcome_;
};

} // namespace blkcrypto::nbd
