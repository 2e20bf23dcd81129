// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/sm4_xts_openssl.hpp"

#include "blkcrypto/cipher/openssl_ivs.hpp"
#include "blkcrypto/cipher/xts_key.hpp"

namespace blkcrypto {
namespace {

constinit openssl_algorithm algorithm("SM4-ECB", 16);

constexpr std::size_t key_bytes = 32;
constexpr std::size_t block_bytes = openssl_ivs::block_bytes;
constexpr std::size_t chunk_blocks = 512 / block_bytes; // in one call of OpenSSL's
constexpr std::size_t chunk_bytes = chunk_blocks * block_bytes;
static_assert(data_unit_size::min_bytes % chunk_bytes == 0);

using words = std::array<std::uint64_t, 2>; // of a block, the low one first

words load_block(const std::byte* from) noexcept {
    return {load_little<std::uint64_t>(from), load_little<std::uint64_t>(from + 8)};
}

void store_block(std::byte* to, const words& block) noexcept {
    store_little(to, block[0]);
    store_little(to + 8, block[1]);
}

// Times x, modulo x^128 + x^7 + x^2 + x + 1; without a branch on what the tweak is.
words doubled(const words& tweak) noexcept {
    const std::uint64_t over = tweak[1] >> 63;
    return {tweak[0] << 1 ^ (0x87 & (0 - over)), tweak[1] << 1 | tweak[0] >> 63};
}

void add_tweaks(const std::byte* source, const words* tweaks, std::byte* target) noexcept {
    for (std::size_t i = 0; i < chunk_blocks; ++i) {
        const words block = load_block(source + i * block_bytes);
        store_block(target + i * block_bytes, {block[0] ^ tweaks[i][0], block[1] ^ tweaks[i][1]});
    }
}

class sm4_xts_openssl final : public skcipher {
  public:
    sm4_xts_openssl(openssl_cipher&& data, openssl_cipher&& tweak) noexcept
        : data_(std::move(data)), tweak_(std::move(tweak)) {}

    std::error_code setkey(bytes_view key) noexcept override {
        if (const std::error_code refused = check_xts_key(key, key_bytes); refused)
            return refused;
        data_.setkey(key.first(key_bytes / 2));
        tweak_.setkey(key.last(key_bytes / 2));
        return {};
    }
    void forget() noexcept override {
        data_.forget();
        tweak_.forget();
    }

  private:
    [[gnu::noinline]] static void crypt_unit(openssl_cipher::call& data, const std::byte* first_tweak,
                                             const cipher_segment& unit) noexcept {
        words tweak = load_block(first_tweak);
        for (std::size_t at = 0; at < unit.length_bytes; at += chunk_bytes) {
            std::array<words, chunk_blocks> tweaks;
            for (auto& of_block : tweaks) {
                of_block = tweak;
                tweak = doubled(tweak);
            }
            add_tweaks(unit.source + at, tweaks.data(), unit.target + at);
            data.crypt(unit.target + at, unit.target + at, chunk_bytes);
            add_tweaks(unit.target + at, tweaks.data(), unit.target + at);
        }
    }

    void crypt_units(cipher_direction direction, const unit_run& run,
                     cipher_lane& lane) const noexcept override {
        openssl_cipher::call data(data_, direction, lane);
        openssl_ivs firsts(tweak_, run, lane);
        const std::size_t unit_bytes = run.unit_size.bytes();
        for (const auto& segment : run.segments)
            for (std::size_t at = 0; at < segment.length_bytes; at += unit_bytes)
                crypt_unit(data, firsts.next(), {segment.source + at, segment.target + at, unit_bytes});
        wipe_stack<2048>(); // tweaks
        wipe_vector_registers();
    }

    openssl_cipher data_;
    openssl_cipher tweak_; // encrypts only
};

} // namespace

result<std::unique_ptr<skcipher>> make_sm4_xts_openssl(unsigned lanes) {
    auto data = openssl_cipher::make(algorithm, lanes);
    if (data.has_error())
        return data.error();
    auto tweak = openssl_cipher::make(algorithm, lanes);
    if (tweak.has_error())
        return tweak.error();
    return std::unique_ptr<skcipher>(new sm4_xts_openssl(std::move(*data), std::move(*tweak)));
}

} // namespace blkcrypto
