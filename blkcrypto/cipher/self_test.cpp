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

// IEEE Std 1619-2007, annex B, vector 10: AES-256-XTS, data unit 0xff, 00 .. ff again and again; 512 bytes
// there. Of a longer unit these are the first 512 bytes. Its end was computed with OpenSSL, nettle and
// libgcrypt.
constexpr auto xts_key = from_hex("2718281828459045235360287471352662497757247093699959574966967627"
                                  "3141592653589793238462643383279502884197169399375105820974944592");
constexpr auto xts_first_32 = from_hex("1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b");
constexpr auto xts_at_496 = from_hex("c4f36ffda9fcea70b9c6e693e148c151");
constexpr auto xts_at_1008 = from_hex("cda7c5e5537c781b2e930aa006756067");
constexpr std::uint64_t xts_dun = 0xff;
constexpr std::size_t unit_bytes = 1024;

// The vector has each place among the units of a call up to this one: they are not all done alike.
constexpr std::size_t units_before_max = 8;

std::vector<std::byte> counting_bytes(std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::byte>(i & 0xff);
    return bytes;
}

bool holds(bytes_view unit, std::size_t at, bytes_view expected) {
    return std::ranges::equal(unit.subspan(at, expected.size()), expected);
}

// The vector after so many units, and before one.
bool encrypts_and_decrypts(const skcipher& tfm, std::size_t units_before) {
    const auto unit_size = *data_unit_size::make(unit_bytes);
    const auto plain = counting_bytes((units_before + 2) * unit_bytes);
    auto data = plain;
    cipher_lane lane(0);
    const cipher_segment in_place{data.data(), data.data(), data.size()};
    tfm.crypt(cipher_direction::encrypt, xts_dun - units_before, unit_size, {&in_place, 1}, lane);
    const bytes_view vector = bytes_view(data).subspan(units_before * unit_bytes, unit_bytes);
    if (!holds(vector, 0, xts_first_32) || !holds(vector, 496, xts_at_496) ||
        !holds(vector, 1008, xts_at_1008))
        return false;
    tfm.crypt(cipher_direction::decrypt, xts_dun - units_before, unit_size, {&in_place, 1}, lane);
    return data == plain;
}

bool aes_xts_is_right(skcipher& tfm) {
    if (tfm.setkey(bytes_view(xts_key).first(63)) != std::errc::invalid_argument ||
        tfm.setkey(std::array<std::byte, 64>{}) != std::errc::invalid_argument || tfm.setkey(xts_key))
        return false;
    for (std::size_t units_before = 0; units_before <= units_before_max; ++units_before)
        if (!encrypts_and_decrypts(tfm, units_before))
            return false;
    return true;
}

} // namespace

bool passes_self_test(const skcipher_implementation& implementation) {
    auto tfm = implementation.make(1);
    if (tfm.has_error() && tfm.error() == std::errc::not_enough_memory)
        throw std::bad_alloc();
    return tfm.has_value() && implementation.mode == crypto_mode::aes_256_xts && aes_xts_is_right(**tfm);
}

} // namespace blkcrypto
