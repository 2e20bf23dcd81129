// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/skcipher.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/cipher/aes_xts_openssl.hpp"
#include "blkcrypto/cipher/self_test.hpp"

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

const skcipher_implementation* first_that_works(crypto_mode mode) {
    for (const auto& implementation : implementations) {
        if (implementation.mode != mode)
            continue;
        if (passes_self_test(implementation))
            return &implementation;
        log_warning(std::string(implementation.name) + " failed its self-test and is not used");
    }
    return nullptr;
}

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
                known = first_that_works(mode);
            return *known;
        });
    }

  private:
    std::mutex mutex_;
    std::array<std::optional<const skcipher_implementation*>, crypto_mode_count> known_;
};

result<const skcipher_implementation*> select(crypto_mode mode) {
    static selection selected;
    return selected.of(mode);
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

const skcipher_implementation* selected_implementation(crypto_mode mode) noexcept {
    const auto selected = select(mode);
    return selected.has_value() ? *selected : nullptr;
}

result<std::unique_ptr<skcipher>> make_skcipher(crypto_mode mode, unsigned lanes) {
    const auto selected = select(mode);
    if (selected.has_error())
        return selected.error();
    if (*selected == nullptr)
        return make_error(ENOPKG);
    return or_no_memory([&] { return (*selected)->make(lanes); });
}

} // namespace blkcrypto
