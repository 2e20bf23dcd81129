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
    wrong_in_the_middle,
    high_word_of_the_iv_is_ignored,
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
    void forget() noexcept override { right_->forget(); }

  private:
    void crypt_units(cipher_direction direction, const unit_run& run,
                     cipher_lane& lane) const noexcept override {
        if (flaw_ == flaw::decrypts_nothing && direction == cipher_direction::decrypt)
            return;
        // What it has encrypted it decrypts, in place: only a known answer tells.
        if (direction == cipher_direction::decrypt)
            spoil(run);
        crypt_rightly(direction, run, lane);
        if (direction == cipher_direction::encrypt)
            spoil(run);
    }

    void crypt_rightly(cipher_direction direction, const unit_run& run, cipher_lane& lane) const noexcept {
        const uint256& iv = run.ivs.next();
        if (flaw_ == flaw::high_word_of_the_iv_is_ignored)
            return right_->crypt(direction, {uint256(iv.limbs[0]), run.ivs.shift()}, run.unit_size,
                                 run.segments, lane);
        if (flaw_ != flaw::same_iv_for_all_units)
            return right_->crypt(direction, run.ivs, run.unit_size, run.segments, lane);
        for (const auto& segment : run.segments)
            for (std::size_t at = 0; at < segment.length_bytes; at += run.unit_size.bytes()) {
                const cipher_segment unit{segment.source + at, segment.target + at, run.unit_size.bytes()};
                right_->crypt(direction, run.ivs, run.unit_size, {&unit, 1}, lane);
            }
    }

    void spoil(const unit_run& run) const noexcept {
        const std::size_t unit_bytes = run.unit_size.bytes();
        std::size_t unit = 0;
        for (const auto& segment : run.segments)
            for (std::size_t at = 0; at < segment.length_bytes; at += unit_bytes, ++unit)
                if (const std::size_t spoiled = spoiled_byte(unit, unit_bytes); spoiled < unit_bytes)
                    segment.target[at + spoiled] ^= std::byte{1};
    }
    std::size_t spoiled_byte(std::size_t unit, std::size_t unit_bytes) const noexcept {
        switch (flaw_) {
        case flaw::one_bit:
            return unit == 0 ? unit_bytes - 1 : unit_bytes;
        case flaw::wrong_after_512_bytes:
            return unit_bytes > 512 ? unit_bytes - 1 : unit_bytes;
        case flaw::wrong_from_the_fifth_unit_on:
            return unit >= 4 ? unit_bytes - 1 : unit_bytes;
        case flaw::wrong_in_the_middle:
            return unit_bytes / 4;
        default:
            return unit_bytes;
        }
    }

    std::unique_ptr<skcipher> right_;
    flaw flaw_;
};

template <flaw Flaw>
result<std::unique_ptr<skcipher>> make_flawed(unsigned lanes) {
    return std::unique_ptr<skcipher>(new flawed_cipher(make_aes_xts_openssl(lanes).value(), Flaw));
}

} // namespace blkcrypto::test
