// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/bio.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace blkcrypto {

bio_vec bvec_iter::current(std::span<const bio_vec> segments) const noexcept {
    const bio_vec& segment = segments[index];
    const std::uint32_t left = std::min(segment.length_bytes - done_bytes, size_bytes);
    return {segment.data + done_bytes, left, segment.buffer};
}

void bvec_iter::advance(std::span<const bio_vec> segments, std::uint32_t bytes) noexcept {
    assert(bytes <= size_bytes && bytes % sector_size_bytes == 0);
    start.value += bytes >> sector_bits;
    size_bytes -= bytes;
    done_bytes += bytes;
    while (index < segments.size() && done_bytes >= segments[index].length_bytes) {
        done_bytes -= segments[index].length_bytes;
        ++index;
    }
}

void bio::prepare(bio_op operation, sector start, std::span<const bio_vec> memory,
                  bio_end_io& told) noexcept {
    op = operation;
    fua = preflush = nounmap = false;
    status = blk_status::ok;
    segments = memory;
    std::uint64_t size_bytes = 0;
    for (const auto& segment : memory)
        size_bytes += segment.length_bytes;
    // More than a bio can be becomes a size that no queue takes, not a smaller bio.
    iter.begin(start, static_cast<std::uint32_t>(std::min<std::uint64_t>(size_bytes, UINT32_MAX)));
    crypt = {};
    observer = &told;
    stamps = nullptr;
}

void bio::prepare_range(bio_op operation, sector start, std::uint32_t size_bytes, bio_end_io& told) noexcept {
    prepare(operation, start, {}, told);
    iter.size_bytes = size_bytes;
}

void bio::advance(std::uint32_t bytes) noexcept {
    if (crypt)
        crypt.advance(bytes);
    iter.advance(segments, bytes);
}

void bio::clone_from(const bio& other, bio_end_io& told) noexcept {
    op = other.op;
    fua = other.fua;
    preflush = other.preflush;
    nounmap = other.nounmap;
    status = blk_status::ok;
    iter = other.iter;
    segments = other.segments;
    crypt = other.crypt;
    observer = &told;
    stamps = other.stamps;
}

std::error_code bio::split(std::uint32_t bytes, bio& front, bio_end_io& told) noexcept {
    const std::uint32_t granule = crypt ? crypt.unit_size().bytes() : sector_size_bytes;
    if (bytes == 0 || bytes >= iter.size_bytes || bytes % granule != 0)
        return make_error(EINVAL);
    front.clone_from(*this, told);
    front.iter.size_bytes = bytes;
    advance(bytes);
    return {};
}

void bio_chain::end_io(bio& piece) noexcept {
    parent_->set_status(piece.status);
    if (--remaining_ == 0)
        parent_->end();
}

} // namespace blkcrypto
