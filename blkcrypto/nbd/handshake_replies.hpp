// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the server says in a handshake: it is written to memory of a fixed size, and stands there until it has
// been sent. The handshake decides what is said; this knows how, and how much room that takes.

#include "blkcrypto/nbd/export_info.hpp"

#include <vector>

namespace blkcrypto::nbd {

class handshake_replies {
  public:
    /// `served` outlives it; its strings are no longer than strings of the protocol may be.
    explicit handshake_replies(const export_info& served);

    /// Whatever the next message is, the reply to it fits. The functions that add something need it: nobody
    /// adds more than one reply to one message without asking again.
    bool has_room() const noexcept { return memory_.size() - size_bytes_ >= reply_bytes_max_; }

    void add_greeting() noexcept;

    /// The reply to NBD_OPT_EXPORT_NAME, which looks like no other.
    void add_export(std::uint16_t flags, bool with_zeroes) noexcept;

    /// One of the last replies to an option.
    void add(option to, option_reply type) noexcept { add(to, type, {}); }

    /// Others, which have one of these after them.
    void add_server(option to) noexcept;
    void add_info_export(option to, std::uint16_t flags) noexcept;
    void add_info_block_size(option to) noexcept;
    void add_info_name(option to) noexcept;
    void add_info_description(option to) noexcept;
    void add_base_allocation(option to, std::uint32_t id) noexcept;

    /// All that has not been sent; stays where it is until sent(), also when something is added.
    bytes_view bytes() const noexcept { return bytes_view(memory_).first(size_bytes_); }
    void sent(std::size_t bytes) noexcept;

  private:
    void add(option to, option_reply type, bytes_view fields, std::string_view text = {}) noexcept;
    void add_info_text(option to, info_type type, std::string_view text) noexcept;
    void add_header(option to, option_reply type, std::size_t data_bytes) noexcept;
    /// The next so many bytes of the output, to be written to.
    bytes_span append(std::size_t bytes) noexcept;
    void append_bytes(bytes_view bytes) noexcept;
    void append_text(std::string_view text) noexcept;

    const export_info& served_;
    const std::size_t reply_bytes_max_;
    std::vector<std::byte> memory_;
    std::size_t size_bytes_ = 0; // of what has not been sent, at the front of memory_
};

} // namespace blkcrypto::nbd
