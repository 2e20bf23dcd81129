// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/crypt_segments.hpp"

#include <algorithm>
#include <array>

namespace blkcrypto {
namespace {

// Enough for the largest unit in its smallest pieces, so that a batch always holds a whole unit.
constexpr std::size_t batch_segments_max = 64;
static_assert(batch_segments_max >= data_unit_size::max_bytes / 4096);

struct batch {
    std::array<cipher_segment, batch_segments_max> segments;
    std::size_t count = 0;
    std::uint32_t bytes = 0;

    void fill(std::span<const bio_vec> from, bvec_iter at, std::uint32_t bytes_max,
              std::byte* target) noexcept {
        while (bytes < bytes_max && count < segments.size()) {
            const bio_vec source = at.current(from);
            const std::uint32_t length = std::min(source.length_bytes, bytes_max - bytes);
            segments[count++] = {source.data, target == nullptr ? source.data : target + bytes, length};
            bytes += length;
            at.advance(from, length);
        }
    }

    // Leaves a unit that is cut at the end for the next batch.
    void cut_to_whole(data_unit_size unit_size) noexcept {
        std::size_t excess = bytes & (unit_size.bytes() - 1);
        bytes -= static_cast<std::uint32_t>(excess);
        while (excess != 0) {
            const std::size_t cut = std::min(excess, segments[count - 1].length_bytes);
            segments[count - 1].length_bytes -= cut;
            excess -= cut;
            if (segments[count - 1].length_bytes == 0)
                --count;
        }
    }
};

} // namespace

void crypt_segments(const skcipher& tfm, cipher_direction direction, data_unit_size unit_size,
                    std::span<const bio_vec> segments, bvec_iter& at, dun& at_dun, std::uint32_t bytes,
                    std::byte* target, cipher_lane& lane) noexcept {
    const bio_vec first = at.current(segments);
    if (first.length_bytes >= bytes) { // as nearly always: nothing to gather
        const cipher_segment only{first.data, target == nullptr ? first.data : target, bytes};
        tfm.crypt(direction, at_dun.value(), unit_size, {&only, 1}, lane);
        at.advance(segments, bytes);
        at_dun += unit_size.units_in(bytes);
        return;
    }
    while (bytes != 0) {
        batch next;
        next.fill(segments, at, bytes, target);
        next.cut_to_whole(unit_size);
        tfm.crypt(direction, at_dun.value(), unit_size, {next.segments.data(), next.count}, lane);
        at.advance(segments, next.bytes);
        at_dun += unit_size.units_in(next.bytes);
        bytes -= next.bytes;
        target = target == nullptr ? nullptr : target + next.bytes;
    }
}

void crypt_zeros(const skcipher& tfm, data_unit_size unit_size, bvec_iter& at, dun& at_dun, bytes_span target,
                 cipher_lane& lane) noexcept {
    std::ranges::fill(target, std::byte{0});
    const cipher_segment in_place{target.data(), target.data(), target.size()};
    tfm.crypt(cipher_direction::encrypt, at_dun.value(), unit_size, {&in_place, 1}, lane);
    at.advance({}, static_cast<std::uint32_t>(target.size()));
    at_dun += unit_size.units_in(target.size());
}

} // namespace blkcrypto
