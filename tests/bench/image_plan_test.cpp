// SPDX-License-Identifier: Apache-2.0
#include "bench/image_writer.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <map>
#include <set>

using namespace blkcrypto;
using namespace blkcrypto::bench;

namespace {

// The blocks of a plan by offset, after checking that they cover the image once.
std::map<std::uint64_t, std::uint32_t> covered(block_plan& plan, std::uint64_t size_bytes) {
    std::map<std::uint64_t, std::uint32_t> blocks;
    for (image_block block; plan.next(block);)
        CHECK(blocks.emplace(block.offset_bytes, block.length_bytes).second);
    std::uint64_t at = 0;
    for (const auto& [offset, length] : blocks) {
        CHECK(offset == at);
        CHECK(length != 0);
        CHECK(length <= block_plan::block_bytes_max);
        at += length;
    }
    CHECK(at == size_bytes);
    return blocks;
}

} // namespace

TEST_CASE("the prefill and the verify pass write each byte of an image once") {
    for (const std::uint64_t size :
         {std::uint64_t{512}, std::uint64_t{1'000'448}, std::uint64_t{130 << 20}}) {
        for (const std::uint32_t unit : {512U, 65536U}) {
            if (size % unit != 0)
                continue;
            sequential_plan sequential(size);
            covered(sequential, size);
            shuffled_plan shuffled(size, *data_unit_size::make(unit), test::test_seed());
            for (const auto& [offset, length] : covered(shuffled, size))
                CHECK((offset % unit == 0 && length % unit == 0));
        }
    }
}

TEST_CASE("the verify pass writes blocks of many lengths, out of order, the same ones for the same seed") {
    shuffled_plan one(8 << 20, *data_unit_size::make(4096), test::test_seed());
    shuffled_plan other(8 << 20, *data_unit_size::make(4096), test::test_seed());
    std::set<std::uint32_t> lengths;
    bool in_order = true;
    std::uint64_t before = 0;
    image_block block;
    for (image_block same; one.next(block); before = block.offset_bytes) {
        REQUIRE(other.next(same));
        CHECK(same.offset_bytes == block.offset_bytes);
        in_order = in_order && block.offset_bytes >= before;
        lengths.insert(block.length_bytes);
    }
    CHECK(lengths.size() > 5);
    CHECK(!in_order);
}

TEST_CASE("content can be made in any pieces") {
    std::vector<std::byte> whole(4096);
    std::vector<std::byte> pieces(4096);
    fill_content(7, 1 << 20, whole);
    for (std::size_t at = 0; at < pieces.size(); at += 512)
        fill_content(7, (1 << 20) + at, bytes_span(pieces).subspan(at, 512));
    CHECK(whole == pieces);
    fill_content(8, 1 << 20, pieces);
    CHECK(whole != pieces);
}
