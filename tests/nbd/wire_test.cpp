// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/wire.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::nbd;
using namespace blkcrypto::test;

namespace {

constexpr const char* write_request = "25609513"
                                      "0001"
                                      "0001"
                                      "0123456789abcdef"
                                      "0000010000000200"
                                      "00001000";

template <std::size_t Size>
bool is_hex(const std::array<std::byte, Size>& bytes, const char* digits) {
    return std::ranges::equal(bytes, from_hex(digits));
}

} // namespace

TEST_CASE("a request is read field by field from where the protocol has them") {
    const auto bytes = from_hex(write_request);
    request_header header;
    REQUIRE(decode(request_bytes(bytes), header));
    CHECK(header.flags == command_flag::fua);
    CHECK(header.type == command::write);
    CHECK(header.cookie == 0x0123456789abcdef);
    CHECK(header.offset_bytes == 0x0000010000000200);
    CHECK(header.length_bytes == 0x1000);
}

TEST_CASE("what does not begin with the magic of a request is none, whichever bit of it is wrong") {
    for (unsigned bit = 0; bit < 32; ++bit) {
        auto bytes = from_hex(write_request);
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        request_header header;
        CHECK_FALSE(decode(request_bytes(bytes), header));
    }
}

TEST_CASE("a request that was written is read as it was, whatever is in it") {
    random_source random(test_seed());
    for (int i = 0; i < 1000; ++i) {
        const request_header written{.flags = static_cast<std::uint16_t>(random.next()),
                                     .type = command{static_cast<std::uint16_t>(random.next())},
                                     .cookie = random.next(),
                                     .offset_bytes = random.next(),
                                     .length_bytes = static_cast<std::uint32_t>(random.next())};
        std::array<std::byte, request_header_bytes> bytes;
        encode(written, bytes);
        request_header read;
        REQUIRE(decode(bytes, read));
        CHECK(read.flags == written.flags);
        CHECK(read.type == written.type);
        CHECK(read.cookie == written.cookie);
        CHECK(read.offset_bytes == written.offset_bytes);
        CHECK(read.length_bytes == written.length_bytes);
    }
}

TEST_CASE("a simple reply is magic, error and cookie") {
    std::array<std::byte, simple_reply_bytes> bytes;
    encode_simple_reply(bytes, 0x0123456789abcdef, 22);
    CHECK(is_hex(bytes, "67446698"
                        "00000016"
                        "0123456789abcdef"));
}

TEST_CASE("a chunk is the last of its reply and says how long it is") {
    std::array<std::byte, structured_reply_bytes> bytes;
    encode_structured_reply(bytes, 0x0123456789abcdef, reply_type::offset_data, 0x1008);
    CHECK(is_hex(bytes, "668e33ef"
                        "0001"
                        "0001"
                        "0123456789abcdef"
                        "00001008"));
}

TEST_CASE("a chunk that tells an error has the error and a text of no bytes") {
    std::array<std::byte, error_reply_bytes> bytes;
    encode_error_reply(bytes, 0x0123456789abcdef, 28);
    CHECK(is_hex(bytes, "668e33ef"
                        "0001"
                        "8001"
                        "0123456789abcdef"
                        "00000006"
                        "0000001c"
                        "0000"));
}
