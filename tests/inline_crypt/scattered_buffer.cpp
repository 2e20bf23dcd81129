// SPDX-License-Identifier: Apache-2.0
#include "tests/inline_crypt/scattered_buffer.hpp"

#include <cstring>
#include <utility>

namespace blkcrypto::test {

scattered_buffer::scattered_buffer(std::size_t size_bytes, std::uint32_t granule_bytes, random_source& random)
    : size_bytes_(static_cast<std::uint32_t>(size_bytes)), memory_(2 * size_bytes + 64) {
    const std::uint64_t granules_max = std::uint64_t{1} << random.below(6);
    for (std::uint32_t at = 0; at < size_bytes_;) {
        const auto length = static_cast<std::uint32_t>((1 + random.below(granules_max)) * granule_bytes);
        segments_.push_back({nullptr, std::min(length, size_bytes_ - at)});
        at += segments_.back().length_bytes;
    }
    std::vector<std::size_t> places(segments_.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
        places[i] = i;
        std::swap(places[i], places[random.below(i + 1)]);
    }
    std::byte* next = memory_.data() + random.below(64);
    for (const std::size_t n : places) {
        segments_[n].data = next;
        next += segments_[n].length_bytes + random.below(2) * random.below(granule_bytes);
    }
}

void scattered_buffer::write(bytes_view data) noexcept {
    for (const auto& segment : segments_) {
        std::memcpy(segment.data, data.data(), segment.length_bytes);
        data = data.subspan(segment.length_bytes);
    }
}

std::vector<std::byte> scattered_buffer::read() const {
    std::vector<std::byte> data;
    data.reserve(size_bytes_);
    for (const auto& segment : segments_)
        data.insert(data.end(), segment.data, segment.data + segment.length_bytes);
    return data;
}

} // namespace blkcrypto::test
