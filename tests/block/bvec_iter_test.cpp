// SPDX-License-Identifier: Apache-2.0
#include "tests/block/block_cases.hpp"

#include <algorithm>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

// The memory an iterator goes over, piece by piece, in steps of at most `step_bytes`.
std::vector<std::byte> bytes_seen(bvec_iter at, std::span<const bio_vec> segments, std::uint32_t step_bytes) {
    std::vector<std::byte> seen;
    while (at.size_bytes != 0) {
        const bio_vec piece = at.current(segments);
        const std::uint32_t length = std::min(piece.length_bytes, step_bytes);
        seen.insert(seen.end(), piece.data, piece.data + length);
        at.advance(segments, length);
    }
    return seen;
}

} // namespace

TEST_CASE("an iterator goes over all segments in order whatever the step") {
    auto memory = random_bytes(8192, test_seed());
    const std::vector<bio_vec> segments{{memory.data(), 512},
                                        {memory.data() + 512, 3584},
                                        {memory.data() + 4096, 0},
                                        {memory.data() + 4096, 4096}};
    for (const std::uint32_t step : {512U, 1024U, 1536U, 8192U}) {
        CAPTURE(step);
        CHECK(bytes_seen({sector{5}, 8192, 0, 0}, segments, step) == memory);
    }
}

TEST_CASE("an iterator stops at its size even within a segment") {
    auto memory = random_bytes(4096, test_seed());
    const std::vector<bio_vec> segments{{memory.data(), 4096}};
    const bvec_iter part{sector{0}, 1536, 0, 1024};
    CHECK(part.current(segments).length_bytes == 1536);
    CHECK(part.current(segments).data == memory.data() + 1024);
    const auto seen = bytes_seen(part, segments, 4096);
    CHECK(std::ranges::equal(seen, bytes_view(memory).subspan(1024, 1536)));
}

TEST_CASE("an advance counts sectors and may skip several segments") {
    std::vector<std::byte> memory(6144);
    const std::vector<bio_vec> segments{
        {memory.data(), 1024, 3}, {memory.data() + 1024, 1024, 4}, {memory.data() + 2048, 4096, 5}};
    bvec_iter at{sector{100}, 6144, 0, 0};
    at.advance(segments, 2560);
    CHECK(at.start == sector{105});
    CHECK(at.size_bytes == 3584);
    CHECK(at.index == 2);
    CHECK(at.done_bytes == 512);
    CHECK(at.current(segments).data == memory.data() + 2560);
    CHECK(at.current(segments).buffer == 5);
    at.advance(segments, 3584);
    CHECK(at.size_bytes == 0);
    CHECK(at.index == 3);
}
