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

// FNV-1a, which needs no memory: a library's digest may find none.
std::uint64_t checksum(bytes_view data) {
    std::uint64_t sum = 0xcbf29ce484222325;
    for (const std::byte b : data)
        sum = (sum ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
    return sum;
}

// Plaintext is 00 .. ff again and again; ciphertext is known by a checksum, so that no byte of it is left
// out. The checksums are those of what OpenSSL and an independent implementation (tests/reference_crypto)
// make of them.
struct known_units {
    iv_sequence ivs;
    std::uint32_t unit_bytes;
    std::size_t units;
    std::uint64_t checksum;
};

// What of them somebody has published.
struct published_part {
    std::size_t unit;
    std::size_t at;
    bytes_view ciphertext;
};

struct known_mode {
    crypto_mode mode;
    bytes_view key;
    bool has_weak_keys; // two equal halves
    known_units units;  // more than an implementation does side by side
    std::span<const published_part> published;
    known_units stepping_units; // their IVs carry, and advance by 8
    known_units longest_unit;   // one
};

constexpr std::size_t published_unit = 8; // what comes before it may go wrong by itself

// IEEE Std 1619-2007, annex B, vector 10: the first half of unit 0xff.
constexpr auto xts_key = from_hex("2718281828459045235360287471352662497757247093699959574966967627"
                                  "3141592653589793238462643383279502884197169399375105820974944592");
constexpr auto xts_first_32 = from_hex("1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b");
constexpr auto xts_at_496 = from_hex("c4f36ffda9fcea70b9c6e693e148c151");
constexpr published_part xts_published[] = {{published_unit, 0, xts_first_32},
                                            {published_unit, 496, xts_at_496}};

// Vector 1 of essiv(cbc(aes),sha256) in the kernel's crypto/testmgr.h: the beginning of a unit.
constexpr auto essiv_key = from_hex("c286696d887c9aa0611bbb3e2025a45a");
constexpr std::uint64_t essiv_iv = 0x283d096d99172e56;
constexpr auto essiv_first_32 = from_hex("c8599afe79e67b20067d550a5ec7b5a70b9c80d215a1b86dc6ab7b65d9fd88eb");
constexpr published_part essiv_published[] = {{published_unit, 0, essiv_first_32}};

// What fscrypt writes for an extent with this key, at DUN 0.
constexpr auto adiantum_key = from_hex("4b5fe62897a531db5ff0c399594fc223b558880006de68ae0db8598fa8090c72");
constexpr auto adiantum_first_32 =
    from_hex("c292480cf11b78262e65e6644ad2dcd5e61fc2b62d8a25bfba9f56e96ad9a6cb");
constexpr published_part adiantum_published[] = {{published_unit, 0, adiantum_first_32}};

// Vector 3 of xts(sm4) in the kernel's crypto/testmgr.h: unit 0.
constexpr auto sm4_key = from_hex("2718281828459045235360287471352631415926535897932384626433832795");
constexpr auto sm4_first_32 = from_hex("54dd65b6326faea8fad1a83c63614af39f721d8dfe177a30b66abf6a449980e1");
constexpr published_part sm4_published[] = {{published_unit, 0, sm4_first_32}};

constexpr std::uint64_t all_ones = ~std::uint64_t{0};
constexpr uint256 before_zero(all_ones - published_unit + 1, all_ones, all_ones, all_ones);
constexpr uint256 before_carry(all_ones - 2, 1, 0, 0);
constexpr uint256 before_long_carry(all_ones - 2, all_ones, all_ones, 1);

constexpr known_mode known_modes[] = {
    {crypto_mode::aes_256_xts,
     xts_key,
     true,
     {iv_sequence(0xff - published_unit), 1024, 10, 0x4ec9e8c6c795dc78},
     xts_published,
     {iv_sequence(before_carry, 3), 512, 9, 0x9567fcef9729c9b8},
     {iv_sequence(before_carry), 65536, 1, 0x9a5039cc87c055a4}},
    {crypto_mode::aes_128_cbc_essiv,
     essiv_key,
     false,
     {iv_sequence(essiv_iv - published_unit), 512, 45, 0x7e9b63977cb98b78},
     essiv_published,
     {iv_sequence(before_carry, 3), 1024, 23, 0x9fbc3b0f61800222},
     {iv_sequence(before_carry), 65536, 1, 0x8be45d8d2e0dbe42}},
    {crypto_mode::adiantum,
     adiantum_key,
     false,
     {iv_sequence(before_zero), 4096, 19, 0x1d33904ea06464fc},
     adiantum_published,
     {iv_sequence(before_long_carry, 3), 512, 37, 0x09661df678be4700},
     {iv_sequence(before_long_carry), 65536, 1, 0xa1cd7e2f18148ebb}},
    {crypto_mode::sm4_xts,
     sm4_key,
     true,
     {iv_sequence(before_zero), 512, 45, 0xf500df6d715daca3},
     sm4_published,
     {iv_sequence(before_carry, 3), 2048, 35, 0x2eb633151d4b2d95},
     {iv_sequence(before_carry), 65536, 1, 0xd15d544464e4ed37}},
};

std::vector<std::byte> counting_bytes(std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::byte>(i & 0xff);
    return bytes;
}

bool holds(bytes_view cipher, std::size_t unit_bytes, const published_part& part) {
    return std::ranges::equal(cipher.subspan(part.unit * unit_bytes + part.at, part.ciphertext.size()),
                              part.ciphertext);
}

void crypt_in_place(const skcipher& tfm, cipher_direction direction, const iv_sequence& ivs,
                    data_unit_size unit_size, bytes_span data) {
    cipher_lane lane(0);
    const cipher_segment all{data.data(), data.data(), data.size()};
    tfm.crypt(direction, ivs, unit_size, {&all, 1}, lane);
}

// All of them in a call, then those from each unit on: the units of a call are not all done alike.
bool crypts_from_each_unit_on(const skcipher& tfm, const known_units& known,
                              std::span<const published_part> published) {
    const auto unit_size = *data_unit_size::make(known.unit_bytes);
    const auto plain = counting_bytes(known.units * known.unit_bytes);
    auto cipher = plain;
    crypt_in_place(tfm, cipher_direction::encrypt, known.ivs, unit_size, cipher);
    const bool as_published = std::ranges::all_of(
        published, [&](const auto& part) { return holds(cipher, known.unit_bytes, part); });
    if (checksum(cipher) != known.checksum || !as_published)
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

// Takes the key, after those that it has to refuse.
bool takes_keys(skcipher& tfm, const known_mode& known) {
    constexpr std::array<std::byte, raw_key_size_max_bytes> zeros{};
    const auto equal_halves = bytes_view(zeros).first(known.key.size());
    return tfm.setkey(known.key.first(known.key.size() - 1)) == std::errc::invalid_argument &&
           (tfm.setkey(equal_halves) == std::errc::invalid_argument) == known.has_weak_keys &&
           !tfm.setkey(known.key);
}

} // namespace

bool passes_self_test(const skcipher_implementation& implementation) {
    auto tfm = implementation.make(1);
    if (tfm.has_error() && tfm.error() == std::errc::not_enough_memory)
        throw std::bad_alloc();
    const auto known = std::ranges::find(known_modes, implementation.mode, &known_mode::mode);
    return tfm.has_value() && known != std::ranges::end(known_modes) && takes_keys(**tfm, *known) &&
           crypts_from_each_unit_on(**tfm, known->units, known->published) &&
           crypts_out_of_place(**tfm, known->stepping_units) &&
           crypts_out_of_place(**tfm, known->longest_unit);
}

} // namespace blkcrypto
