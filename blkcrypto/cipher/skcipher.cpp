// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/skcipher.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/cipher/aes_xts_openssl.hpp"
#include "blkcrypto/cipher/selection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>

namespace blkcrypto {
namespace {

constexpr std::array implementations{
    skcipher_implementation{crypto_mode::aes_256_xts, "aes_xts_openssl", &make_aes_xts_openssl},
};

// What was found out for each mode; nothing while memory was short.
class selection {
  public:
    result<const skcipher_implementation*> of(crypto_mode mode) {
        if (find_mode(mode) == nullptr)
            return nullptr;
        const std::lock_guard lock(mutex_);
        return or_no_memory([&]() -> result<const skcipher_implementation*> {
            auto& known = known_[mode_index(mode)];
            if (!known)
                known = select(mode);
            return *known;
        });
    }

    void override_with(const selection_override& with) noexcept {
        const std::lock_guard lock(mutex_);
        override_ = with;
        known_ = {};
    }

  private:
    const skcipher_implementation* select(crypto_mode mode) const {
        const skcipher_implementation* found = first_that_works(override_.before, mode);
        return found != nullptr ? found : first_that_works(implementations, mode);
    }

    const skcipher_implementation* first_that_works(std::span<const skcipher_implementation> among,
                                                    crypto_mode mode) const {
        for (const auto& implementation : among) {
            if (implementation.mode != mode)
                continue;
            if (override_.passes(implementation))
                return &implementation;
            log_warning(std::string(implementation.name) + " failed its self-test and is not used");
        }
        return nullptr;
    }

    std::mutex mutex_;
    selection_override override_;
    std::array<std::optional<const skcipher_implementation*>, crypto_mode_count> known_;
};

selection& selected() {
    static selection all;
    return all;
}

// Walks the segments and hands whole units on, in runs as long as a segment holds; a unit that continues in
// the next segment goes through the lane's scratch memory.
class segment_walk {
  public:
    explicit segment_walk(std::span<const cipher_segment> segments) noexcept : segments_(segments) {}

    bool at_end() noexcept {
        while (!segments_.empty() && done_ == segments_.front().length_bytes)
            next_segment();
        return segments_.empty();
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

    std::size_t left_in_segment() const noexcept { return segments_.front().length_bytes - done_; }

  private:
    void next_segment() noexcept {
        segments_ = segments_.subspan(1);
        done_ = 0;
    }

    std::span<const cipher_segment> segments_;
    std::size_t done_ = 0;
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

void skcipher::crypt(cipher_direction direction, const uint256& first_iv, data_unit_size unit_size,
                     std::span<const cipher_segment> segments, cipher_lane& lane) const noexcept {
    if (segments.size() == 1 && segments[0].length_bytes != 0 && unit_size.divides(segments[0].length_bytes))
        return crypt_units(direction, first_iv, unit_size, segments[0], lane); // as nearly always
    uint256 iv = first_iv;
    segment_walk walk(segments);
    while (!walk.at_end()) {
        const std::size_t whole = walk.left_in_segment() & ~std::size_t{unit_size.bytes() - 1};
        if (whole != 0) {
            crypt_units(direction, iv, unit_size, walk.take(whole), lane);
            iv.add(unit_size.units_in(whole));
            continue;
        }
        const bytes_span unit = lane.scratch().first(unit_size.bytes());
        gather(walk, unit);
        crypt_units(direction, iv, unit_size, {unit.data(), unit.data(), unit.size()}, lane);
        scatter(walk, unit);
        iv.add(1);
    }
}

std::span<const skcipher_implementation> skcipher_implementations() noexcept {
    return implementations;
}

result<const skcipher_implementation*> select_implementation(crypto_mode mode) {
    return selected().of(mode);
}

const skcipher_implementation* selected_implementation(crypto_mode mode) noexcept {
    const auto known = selected().of(mode);
    return known.has_value() ? *known : nullptr;
}

result<std::unique_ptr<skcipher>> make_skcipher(crypto_mode mode, unsigned lanes) {
    const auto known = selected().of(mode);
    if (known.has_error())
        return known.error();
    if (*known == nullptr)
        return make_error(ENOPKG);
    return or_no_memory([&] { return (*known)->make(lanes); });
}

void override_selection(const selection_override& with) noexcept {
    selected().override_with(with);
}

} // namespace blkcrypto
