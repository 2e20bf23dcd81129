// SPDX-License-Identifier: Apache-2.0
#pragma once
// The NBD protocol as bytes: numbers and layouts of doc/proto.md of the NetworkBlockDevice project, under the
// names that they have there. What the messages mean is in handshake and transmission. All integers are big
// endian.

#include "blkcrypto/base/bytes.hpp"

#include <array>
#include <cstdint>

namespace blkcrypto::nbd {

// --- Handshake ---

inline constexpr std::uint64_t init_magic = 0x4e42444d41474943;   // "NBDMAGIC"
inline constexpr std::uint64_t option_magic = 0x49484156454f5054; // "IHAVEOPT"
inline constexpr std::uint64_t option_reply_magic = 0x3e889045565a9;

/// Of the server's greeting, and of the client's answer, where the bits mean the same.
namespace handshake_flag {
inline constexpr std::uint16_t fixed_newstyle = 1 << 0;
inline constexpr std::uint16_t no_zeroes = 1 << 1;
} // namespace handshake_flag

enum class option : std::uint32_t {
    export_name = 1,
    abort = 2,
    list = 3,
    starttls = 5,
    info = 6,
    go = 7,
    structured_reply = 8,
    list_meta_context = 9,
    set_meta_context = 10,
    extended_headers = 11,
};

enum class option_reply : std::uint32_t {
    ack = 1,
    server = 2,
    info = 3,
    meta_context = 4,
    err_unsup = 0x80000001,
    err_policy = 0x80000002,
    err_invalid = 0x80000003,
    err_platform = 0x80000004,
    err_tls_reqd = 0x80000005,
    err_unknown = 0x80000006,
    err_shutdown = 0x80000007,
    err_block_size_reqd = 0x80000008,
    err_too_big = 0x80000009,
};

/// What NBD_OPT_INFO and NBD_OPT_GO ask for, and are answered with.
enum class info_type : std::uint16_t { exported = 0, name = 1, description = 2, block_size = 3 };

/// Option magic, option, length of what follows.
inline constexpr std::size_t option_header_bytes = 16;
inline constexpr std::uint32_t string_bytes_max = 4096; // of names, queries and other strings

/// What a client may do with an export.
namespace transmission_flag {
inline constexpr std::uint16_t has_flags = 1 << 0;
inline constexpr std::uint16_t read_only = 1 << 1;
inline constexpr std::uint16_t send_flush = 1 << 2;
inline constexpr std::uint16_t send_fua = 1 << 3;
inline constexpr std::uint16_t send_trim = 1 << 5;
inline constexpr std::uint16_t send_write_zeroes = 1 << 6;
inline constexpr std::uint16_t send_df = 1 << 7;
inline constexpr std::uint16_t can_multi_conn = 1 << 8;
} // namespace transmission_flag

// --- Transmission ---

inline constexpr std::uint32_t request_magic = 0x25609513;
inline constexpr std::uint32_t simple_reply_magic = 0x67446698;
inline constexpr std::uint32_t structured_reply_magic = 0x668e33ef;

enum class command : std::uint16_t {
    read = 0,
    write = 1,
    disc = 2,
    flush = 3,
    trim = 4,
    cache = 5,
    write_zeroes = 6,
    block_status = 7,
};

namespace command_flag {
inline constexpr std::uint16_t fua = 1 << 0;
inline constexpr std::uint16_t no_hole = 1 << 1;
inline constexpr std::uint16_t df = 1 << 2;
inline constexpr std::uint16_t req_one = 1 << 3;
inline constexpr std::uint16_t fast_zero = 1 << 4;
} // namespace command_flag

enum class reply_type : std::uint16_t { none = 0, offset_data = 1, block_status = 5, error = 0x8001 };

namespace reply_flag {
inline constexpr std::uint16_t done = 1 << 0; // the last chunk of its reply
}

/// Flags of an extent in the metadata context base:allocation.
namespace extent_flag {
inline constexpr std::uint32_t hole = 1 << 0;
inline constexpr std::uint32_t zero = 1 << 1;
} // namespace extent_flag

struct request_header {
    std::uint16_t flags = 0;
    command type{};
    std::uint64_t cookie = 0; // the client's, given back in the reply
    std::uint64_t offset_bytes = 0;
    std::uint32_t length_bytes = 0;
};
inline constexpr std::size_t request_header_bytes = 28;
using request_bytes = std::span<const std::byte, request_header_bytes>;

/// False if these bytes do not begin with the magic of a request.
bool decode(request_bytes from, request_header& into) noexcept;
void encode(const request_header& from, std::span<std::byte, request_header_bytes> into) noexcept;

inline constexpr std::size_t simple_reply_bytes = 16;
inline constexpr std::size_t structured_reply_bytes = 20;

/// `error` is one of the protocol's, see to_nbd_error(); 0 for none.
void encode_simple_reply(std::span<std::byte, simple_reply_bytes> into, std::uint64_t cookie,
                         std::uint32_t error) noexcept;

/// The header of a chunk whose payload has `length_bytes`. It is the last of its reply: ours have one each.
void encode_structured_reply(std::span<std::byte, structured_reply_bytes> into, std::uint64_t cookie,
                             reply_type type, std::uint32_t length_bytes) noexcept;

/// A whole chunk that says that the request failed, without words.
inline constexpr std::size_t error_reply_bytes = structured_reply_bytes + 6;
void encode_error_reply(std::span<std::byte, error_reply_bytes> into, std::uint64_t cookie,
                        std::uint32_t error) noexcept;

} // namespace blkcrypto::nbd
