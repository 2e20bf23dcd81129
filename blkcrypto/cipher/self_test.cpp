// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/self_test.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <vector>

namespace blkcrypto {
namespace {

template <std::size_t N>
consteval std::array<std::byte, (N - 1) / 2> from_hex(const char (&digits)[N]) {
    const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::array<std::byte, (N - 1) / 2> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(value(digits[2 * i]) * 16 + value(digits[2 * i + 1]));
    return bytes;
}

constexpr auto xts_key = from_hex("2718281828459045235360287471352662497757247093699959574966967627"
                                  "3141592653589793238462643383279502884197169399375105820974944592");

// FNV-1a, which needs no memory: a library's digest may find none.
std::uint64_t checksum(bytes_view data) {
    std::uint64_t sum = 0xcbf29ce484222325;
    for (const std::byte b : data)
        sum = (sum ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
    return sum;
}

// Plaintext is 00 .. ff again and again; ciphertext is known by a checksum, so that no byte of it is left
// out.
struct known_units {
    iv_sequence ivs;
    std::uint32_t unit_bytes;
    std::size_t units;
    std::uint64_t checksum;
};

// Their ninth has the number 0xff: its first half is vector 10 of IEEE Std 1619-2007, annex B. The checksum
// is that of what nettle and OpenSSL make of them.
const known_units xts_units{iv_sequence(0xff - 8), 1024, 10, 0x4ec9e8c6c795dc78};
constexpr std::size_t ieee_unit = 8;
constexpr auto ieee_first_32 = from_hex("1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b");
constexpr auto ieee_at_496 = from_hex("c4f36ffda9fcea70b9c6e693e148c151");

// An IV carries into its high word, and advances by 8. Made likewise.
const known_units xts_carrying_units{iv_sequence(uint256(~std::uint64_t{0} - 2, 1, 0, 0), 3), 512, 9,
                                     0x9567fcef9729c9b8};

std::vector<std::byte> counting_bytes(std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::byte>(i & 0xff);
    return bytes;
}

bool holds(bytes_view unit, std::size_t at, bytes_view expected) {
    return std::ranges::equal(unit.subspan(at, expected.size()), expected);
}

void crypt_in_place(const skcipher& tfm, cipher_direction direction, const iv_sequence& ivs,
                    data_unit_size unit_size, bytes_span data) {
    cipher_lane lane(0);
    const cipher_segment all{data.data(), data.data(), data.size()};
    tfm.crypt(direction, ivs, unit_size, {&all, 1}, lane);
}

// All of them in a call, then those from each unit on: the units of a call are not all done alike.
bool crypts_from_each_unit_on(const skcipher& tfm, const known_units& known) {
    const auto unit_size = *data_unit_size::make(known.unit_bytes);
    const auto plain = counting_bytes(known.units * known.unit_bytes);
    auto cipher = plain;
    crypt_in_place(tfm, cipher_direction::encrypt, known.ivs, unit_size, cipher);
    const bytes_view ieee = bytes_view(cipher).subspan(ieee_unit * known.unit_bytes, known.unit_bytes);
    if (checksum(cipher) != known.checksum || !holds(ieee, 0, ieee_first_32) ||
        !holds(ieee, 496, ieee_at_496))
        return false;
    for (std::size_t first = 0; first < known.units; ++first) {
        iv_sequence ivs = known.ivs;
        ivs.skip(first);
        auto data = plain;
        const bytes_span rest = bytes_span(data).subspan(first * known.unit_bytes);
        crypt_in_place(tfm, cipher_direction::encrypt, ivs, unit_size, rest);
        if (!std::ranges::equal(rest, bytes_view(cipher).last(rest.size())))
            return false;
        crypt_in_place(tfm, cipher_direction::decrypt, ivs, unit_size, rest);
        if (data != plain)
            return false;
    }
    return true;
}

// From one place to another, in two segments.
bool crypts_out_of_place(const skcipher& tfm, const known_units& known) {
    const auto unit_size = *data_unit_size::make(known.unit_bytes);
    const auto plain = counting_bytes(known.units * known.unit_bytes);
    const std::size_t cut = known.units / 2 * known.unit_bytes;
    std::vector<std::byte> cipher(plain.size());
    std::vector<std::byte> back(plain.size());
    cipher_lane lane(0);
    const auto crypt = [&](cipher_direction direction, const auto& from, auto& to) {
        const std::array segments{cipher_segment{from.data(), to.data(), cut},
                                  cipher_segment{from.data() + cut, to.data() + cut, from.size() - cut}};
        tfm.crypt(direction, known.ivs, unit_size, segments, lane);
    };
    crypt(cipher_direction::encrypt, plain, cipher);
    crypt(cipher_direction::decrypt, cipher, back);
    return checksum(cipher) == known.checksum && back == plain;
}

bool aes_xts_is_right(skcipher& tfm) {
    if (tfm.setkey(bytes_view(xts_key).first(63)) != std::errc::invalid_argument ||
        tfm.setkey(std::array<std::byte, 64>{}) != std::errc::invalid_argument || tfm.setkey(xts_key))
        return false;
    return crypts_from_each_unit_on(tfm, xts_units) && crypts_out_of_place(tfm, xts_carrying_units);
}

} // namespace

bool passes_self_test(const skcipher_implementation& implementation) {
    auto tfm = implementation.make(1);
    if (tfm.has_error() && tfm.error() == std::errc::not_enough_memory)
        throw std::bad_alloc();
    return tfm.has_value() && implementation.mode == crypto_mode::aes_256_xts && aes_xts_is_right(**tfm);
}

} // namespace blkcrypto
