// SPDX-License-Identifier: Apache-2.0
#pragma once
// Implementations of AES-256-XTS that a self-test must not let through.

#include "blkcrypto/cipher/aes_xts_openssl.hpp"

namespace blkcrypto::test {

enum class flaw {
    none,
    one_bit,
    same_iv_for_all_units,
    decrypts_nothing,
    takes_weak_keys,
    takes_short_keys,
    wrong_after_512_bytes,
    wrong_from_the_fifth_unit_on,
};

// A right cipher with one thing wrong.
class flawed_cipher final : public skcipher {
  public:
    flawed_cipher(std::unique_ptr<skcipher> right, flaw f) : right_(std::move(right)), flaw_(f) {}

    std::error_code setkey(bytes_view key) noexcept override {
        const auto refused = right_->setkey(key);
        const bool is_short = key.size() != 64;
        const bool overlooked = is_short ? flaw_ == flaw::takes_short_keys : flaw_ == flaw::takes_weak_keys;
        return overlooked ? std::error_code() : refused;
    }

  private:
    void crypt_units(cipher_direction direction, const unit_run& run,
                     cipher_lane& lane) const noexcept override {
        if (flaw_ == flaw::decrypts_nothing && direction == cipher_direction::decrypt)
            return;
        const cipher_segment& units = run.segments.front();
        if (direction == cipher_direction::decrypt)
            spoil(run, units); // what it made itself it reads: only a known answer tells
        const std::size_t step =
            flaw_ == flaw::same_iv_for_all_units ? run.unit_size.bytes() : units.length_bytes;
        for (std::size_t at = 0; at < units.length_bytes; at += step) {
            const cipher_segment part{units.source + at, units.target + at, step};
            right_->crypt(direction, run.ivs, run.unit_size, {&part, 1}, lane);
        }
        if (flaw_ == flaw::one_bit)
            units.target[units.length_bytes - run.unit_size.bytes() - 1] ^= std::byte{1};
        if (direction == cipher_direction::encrypt)
            spoil(run, units);
    }

    // Of units that are crypted in place.
    void spoil(const unit_run& run, const cipher_segment& units) const noexcept {
        const std::size_t unit_bytes = run.unit_size.bytes();
        for (std::size_t unit = 0; unit < run.units; ++unit)
            if (flaw_ == flaw::wrong_after_512_bytes ||
                (flaw_ == flaw::wrong_from_the_fifth_unit_on && unit >= 4))
                units.target[(unit + 1) * unit_bytes - 1] ^= std::byte{1};
    }

    std::unique_ptr<skcipher> right_;
    flaw flaw_;
};

template <flaw Flaw>
result<std::unique_ptr<skcipher>> make_flawed(unsigned lanes) {
    return std::unique_ptr<skcipher>(new flawed_cipher(make_aes_xts_openssl(lanes).value(), Flaw));
}

} // namespace blkcrypto::test
