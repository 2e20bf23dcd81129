// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/file_transfer.hpp"

#include <algorithm>
#include <cstring>

namespace blkcrypto {
namespace {

// What zeros are written from where the file cannot be told to be zero; never written to.
alignas(4096) std::array<std::byte, 65536> zeros;

} // namespace

bio_vec transfer_place::current(const bio& b) const noexcept {
    if (b.op == bio_op::write_zeroes)
        return {zeros.data(), std::min(left_bytes, static_cast<std::uint32_t>(zeros.size()))};
    const bio_vec& segment = b.segments[index];
    const std::uint32_t length = std::min(segment.length_bytes - done_bytes, left_bytes);
    return {segment.data + done_bytes, length, segment.buffer};
}

void transfer_place::advance(std::span<const bio_vec> segments, std::uint32_t bytes) noexcept {
    offset_bytes += bytes;
    left_bytes -= bytes;
    done_bytes += bytes;
    while (index < segments.size() && done_bytes >= segments[index].length_bytes) {
        done_bytes -= segments[index].length_bytes;
        ++index;
    }
}

void transfer_place::copy_out(const bio& b, bytes_span target) const noexcept {
    transfer_place from = *this;
    while (!target.empty()) {
        const bio_vec segment = from.current(b);
        const std::size_t bytes = std::min<std::size_t>(segment.length_bytes, target.size());
        std::memcpy(target.data(), segment.data, bytes);
        target = target.subspan(bytes);
        from.advance(b.segments, static_cast<std::uint32_t>(bytes));
    }
}

void transfer_place::copy_in(const bio& b, bytes_view source) const noexcept {
    transfer_place to = *this;
    while (!source.empty()) {
        const bio_vec segment = to.current(b);
        const std::size_t bytes = std::min<std::size_t>(segment.length_bytes, source.size());
        std::memcpy(segment.data, source.data(), bytes);
        source = source.subspan(bytes);
        to.advance(b.segments, static_cast<std::uint32_t>(bytes));
    }
}

bool is_aligned(const bio& b, const image_file& file) noexcept {
    if (!b.has_data())
        return true;
    std::uintptr_t addresses = 0;
    std::uint32_t lengths = 0;
    for (bvec_iter at = b.iter; at.size_bytes != 0;) {
        const bio_vec segment = at.current(b.segments);
        addresses |= reinterpret_cast<std::uintptr_t>(segment.data);
        lengths |= segment.length_bytes;
        at.advance(b.segments, segment.length_bytes);
    }
    return addresses % file.memory_alignment_bytes == 0 && lengths % file.offset_alignment_bytes == 0;
}

std::span<const iovec> iovec_list::gather(const bio& b, transfer_place from) noexcept {
    count_ = 0;
    buffer_ = unregistered_buffer;
    while (from.left_bytes != 0) {
        const bio_vec segment = from.current(b);
        if (!add(segment))
            break;
        from.advance(b.segments, segment.length_bytes);
    }
    return {iovecs_.data(), count_};
}

bool iovec_list::add(const bio_vec& segment) noexcept {
    if (count_ != 0 && segment.buffer == buffer_ && segment.data == end_) {
        iovecs_[count_ - 1].iov_len += segment.length_bytes;
    } else {
        if (count_ == iovecs_max)
            return false;
        iovecs_[count_++] = {segment.data, segment.length_bytes};
        buffer_ = segment.buffer;
    }
    end_ = segment.data + segment.length_bytes;
    return true;
}

} // namespace blkcrypto
