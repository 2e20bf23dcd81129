// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/wire.hpp"

namespace blkcrypto::nbd {

bool decode(request_bytes from, request_header& into) noexcept {
    const std::byte* const at = from.data();
    into.flags = load_big<std::uint16_t>(at + 4);
    into.type = command{load_big<std::uint16_t>(at + 6)};
    into.cookie = load_big<std::uint64_t>(at + 8);
    into.offset_bytes = load_big<std::uint64_t>(at + 16);
    into.length_bytes = load_big<std::uint32_t>(at + 24);
    return load_big<std::uint32_t>(at) == request_magic;
}

void encode(const request_header& from, std::span<std::byte, request_header_bytes> into) noexcept {
    std::byte* const at = into.data();
    store_big(at, request_magic);
    store_big(at + 4, from.flags);
    store_big(at + 6, static_cast<std::uint16_t>(from.type));
    store_big(at + 8, from.cookie);
    store_big(at + 16, from.offset_bytes);
    store_big(at + 24, from.length_bytes);
}

void encode_simple_reply(std::span<std::byte, simple_reply_bytes> into, std::uint64_t cookie,
                         std::uint32_t error) noexcept {
    store_big(into.data(), simple_reply_magic);
    store_big(into.data() + 4, error);
    store_big(into.data() + 8, cookie);
}

void encode_structured_reply(std::span<std::byte, structured_reply_bytes> into, std::uint64_t cookie,
                             reply_type type, std::uint32_t length_bytes) noexcept {
    std::byte* const at = into.data();
    store_big(at, structured_reply_magic);
    store_big(at + 4, reply_flag::done);
    store_big(at + 6, static_cast<std::uint16_t>(type));
    store_big(at + 8, cookie);
    store_big(at + 16, length_bytes);
}

void encode_error_reply(std::span<std::byte, error_reply_bytes> into, std::uint64_t cookie,
                        std::uint32_t error) noexcept {
    constexpr std::uint32_t payload_bytes = error_reply_bytes - structured_reply_bytes;
    encode_structured_reply(into.first<structured_reply_bytes>(), cookie, reply_type::error, payload_bytes);
    std::byte* const payload = into.data() + structured_reply_bytes;
    store_big(payload, error);
    store_big<std::uint16_t>(payload + 4, 0);
}

} // namespace blkcrypto::nbd
