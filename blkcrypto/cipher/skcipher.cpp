// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/skcipher.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/cipher/adiantum_keys.hpp"
#include "blkcrypto/cipher/adiantum_portable.hpp"
#include "blkcrypto/cipher/adiantum_vector.hpp"
#include "blkcrypto/cipher/aes_cbc_essiv_openssl.hpp"
#include "blkcrypto/cipher/aes_cbc_essiv_vector.hpp"
#include "blkcrypto/cipher/aes_xts_openssl.hpp"
#include "blkcrypto/cipher/aes_xts_vector.hpp"
#include "blkcrypto/cipher/sm4_xts_openssl.hpp"
#include "blkcrypto/cipher/sm4_xts_vector.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace blkcrypto {
namespace {

using enum crypto_mode;

// An EVP context with what the provider keeps in it, and the allocator's overhead.
constexpr std::size_t openssl_context_bytes = 1024;

// clang-format off
constexpr auto implementations = std::to_array<skcipher_implementation>({
#if defined(BLKCRYPTO_VECTOR_CIPHERS)
    implementation_of<aes_xts_vaes_avx512>(aes_256_xts, "aes_xts_vaes_avx512", aes_xts_vaes_avx512_needs, "aes_256_rounds"),
    implementation_of<aes_xts_vaes_avx2>(aes_256_xts, "aes_xts_vaes_avx2", aes_xts_vaes_avx2_needs, "aes_256_rounds"),
    implementation_of<aes_xts_aesni_avx>(aes_256_xts, "aes_xts_aesni_avx", aes_xts_aesni_avx_needs, "aes_256_rounds"),
#endif
    {.mode = aes_256_xts, .name = "aes_xts_openssl", .make = &make_aes_xts_openssl, .library = "OpenSSL", .tfm_bytes = 2 * openssl_context_bytes},
#if defined(BLKCRYPTO_VECTOR_CIPHERS)
    implementation_of<aes_cbc_essiv_vaes_avx512>(aes_128_cbc_essiv, "aes_cbc_essiv_vaes_avx512", aes_xts_vaes_avx512_needs, "aes_128_rounds"),
    implementation_of<aes_cbc_essiv_vaes_avx2>(aes_128_cbc_essiv, "aes_cbc_essiv_vaes_avx2", aes_xts_vaes_avx2_needs, "aes_128_rounds"),
    implementation_of<aes_cbc_essiv_aesni_avx>(aes_128_cbc_essiv, "aes_cbc_essiv_aesni_avx", aes_xts_aesni_avx_needs, "aes_128_rounds"),
#endif
    {.mode = aes_128_cbc_essiv, .name = "aes_cbc_essiv_openssl", .make = &make_aes_cbc_essiv_openssl,
     .library = "OpenSSL", .tfm_bytes = 4 * openssl_context_bytes},
#if defined(BLKCRYPTO_VECTOR_CIPHERS)
    implementation_of<adiantum_avx512>(adiantum, "adiantum_avx512", adiantum_avx512_needs, "chacha12_rounds"),
    implementation_of<adiantum_avx2>(adiantum, "adiantum_avx2", adiantum_avx2_needs, "chacha12_rounds"),
#endif
    {.mode = adiantum, .name = "adiantum_portable", .make = &make_adiantum_portable,
     .tfm_bytes = sizeof(adiantum_keys) + 2 * openssl_context_bytes},
#if defined(BLKCRYPTO_VECTOR_CIPHERS)
    implementation_of<sm4_xts_gfni_avx512>(sm4_xts, "sm4_xts_gfni_avx512", sm4_xts_gfni_avx512_needs, "sm4_rounds"),
    implementation_of<sm4_xts_gfni_avx2>(sm4_xts, "sm4_xts_gfni_avx2", sm4_xts_gfni_avx2_needs, "sm4_rounds"),
    implementation_of<sm4_xts_aesni_avx>(sm4_xts, "sm4_xts_aesni_avx", sm4_xts_aesni_avx_needs, "sm4_rounds"),
#endif
    {.mode = sm4_xts, .name = "sm4_xts_openssl", .make = &make_sm4_xts_openssl, .library = "OpenSSL", .tfm_bytes = 4 * openssl_context_bytes},
});
// clang-format on

// Walks the segments and hands whole units on, in runs as long as segments hold; a unit that continues in the
// next segment goes through the lane's scratch memory.
class segment_walk {
  public:
    segment_walk(std::span<const cipher_segment> segments, data_unit_size unit_size) noexcept
        : segments_(segments), unit_size_(unit_size) {}

    bool at_end() noexcept {
        while (!segments_.empty() && done_ == segments_.front().length_bytes)
            next_segment();
        return segments_.empty();
    }

    /// From where the walk is: the segments up to the first one that is not whole units. Empty if that is
    /// here.
    std::span<const cipher_segment> take_whole_segments() noexcept {
        if (done_ != 0)
            return {};
        const auto ragged = std::ranges::find_if_not(
            segments_, [this](const auto& s) { return unit_size_.divides(s.length_bytes); });
        const auto whole = segments_.first(static_cast<std::size_t>(ragged - segments_.begin()));
        segments_ = segments_.subspan(whole.size());
        return whole;
    }

    /// The whole units at the beginning of the current segment: none, if it ends before.
    cipher_segment take_whole_units() noexcept {
        const std::size_t left = segments_.front().length_bytes - done_;
        return take(left & ~std::size_t{unit_size_.bytes() - 1});
    }

    /// The rest of the current segment, cut to `length_bytes` at most.
    cipher_segment take(std::size_t length_bytes) noexcept {
        if (at_end())
            fatal("crypt: the segments do not add up to whole data units");
        const cipher_segment& s = segments_.front();
        const cipher_segment taken{s.source + done_, s.target + done_,
                                   std::min(length_bytes, s.length_bytes - done_)};
        done_ += taken.length_bytes;
        return taken;
    }

  private:
    void next_segment() noexcept {
        segments_ = segments_.subspan(1);
        done_ = 0;
    }

    std::span<const cipher_segment> segments_;
    data_unit_size unit_size_;
    std::size_t done_ = 0; // of the first of segments_
};

void gather(segment_walk walk, bytes_span unit) noexcept {
    while (!unit.empty()) {
        const cipher_segment piece = walk.take(unit.size());
        std::memcpy(unit.data(), piece.source, piece.length_bytes);
        unit = unit.subspan(piece.length_bytes);
    }
}

void scatter(segment_walk& walk, bytes_view unit) noexcept {
    while (!unit.empty()) {
        const cipher_segment piece = walk.take(unit.size());
        std::memcpy(piece.target, unit.data(), piece.length_bytes);
        unit = unit.subspan(piece.length_bytes);
    }
}

} // namespace

void skcipher::crypt(cipher_direction direction, const iv_sequence& ivs, data_unit_size unit_size,
                     std::span<const cipher_segment> segments, cipher_lane& lane) const noexcept {
    if (segments.size() == 1 && segments[0].length_bytes != 0 &&
        unit_size.divides(segments[0].length_bytes)) // as nearly always
        return crypt_units(direction,
                           {ivs, unit_size, unit_size.units_in(segments[0].length_bytes), segments}, lane);
    iv_sequence next = ivs;
    // False if there is not one unit in them.
    const auto crypt_whole = [&](std::span<const cipher_segment> whole) {
        std::uint64_t bytes = 0;
        for (const auto& segment : whole)
            bytes += segment.length_bytes;
        const std::uint64_t units = unit_size.units_in(bytes);
        if (units != 0)
            crypt_units(direction, {next, unit_size, units, whole}, lane);
        next.skip(units);
        return units != 0;
    };
    segment_walk walk(segments, unit_size);
    while (!walk.at_end()) {
        if (crypt_whole(walk.take_whole_segments()) || walk.at_end())
            continue;
        const cipher_segment whole = walk.take_whole_units();
        if (crypt_whole({&whole, 1}))
            continue;
        const bytes_span unit = lane.scratch().first(unit_size.bytes());
        const cipher_segment in_place{unit.data(), unit.data(), unit.size()};
        gather(walk, unit);
        crypt_whole({&in_place, 1});
        scatter(walk, unit);
    }
}

std::span<const skcipher_implementation> skcipher_implementations() noexcept {
    return implementations;
}

} // namespace blkcrypto
