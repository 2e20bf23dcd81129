// SPDX-License-Identifier: Apache-2.0
// The polynomial alone, beside the reference's: through a whole cipher nobody reaches the sums at which it
// carries or is reduced, as its point comes from a key.
#include "blkcrypto/cipher/poly1305.hpp"

#include "tests/reference_crypto/poly1305.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <array>
#include <bit>
#include <doctest/doctest.h>
#include <vector>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using block = std::array<std::byte, 16>;

block block_of(std::uint64_t low, std::uint64_t high) {
    block b;
    store_little(b.data(), low);
    store_little(b.data() + 8, high);
    return b;
}

constexpr std::uint64_t ones = ~std::uint64_t{0};

// Points as they are before bits are cleared: 1, of which the sum is that of the blocks, and the largest.
const std::array points{block_of(1, 0), block_of(ones, ones), block_of(0, 4), block_of(2, 0)};

block ours(const block& point, const std::vector<block>& message) {
    const auto key = poly1305_key::clamped(point.data());
    poly1305 hash;
    for (const auto& b : message)
        hash.add_block(key, load_little<std::uint64_t>(b.data()), load_little<std::uint64_t>(b.data() + 8));
    block value;
    store_uint128(value.data(), hash.value());
    return value;
}

block references(const block& point, const std::vector<block>& message) {
    const auto bytes_of = [](const block& b) {
        return std::span(reinterpret_cast<const std::uint8_t*>(b.data()), b.size());
    };
    reference_crypto::poly1305 hash(bytes_of(point));
    for (const auto& b : message)
        hash.add_blocks(bytes_of(b));
    const auto value = hash.value();
    return std::bit_cast<block>(value.bytes);
}

void check_message(const std::vector<block>& message) {
    for (const auto& point : points)
        CHECK(ours(point, message) == references(point, message));
}

} // namespace

// At the point 1 three blocks are 3 * 2^128 and their sum: 2^130 - 5 is where the last of them makes up 2^128
// - 5.
TEST_CASE("Poly1305 is reduced at 2^130 - 5 and nowhere before") {
    const block zero{};
    for (std::uint64_t low = 0; low < 12; ++low) {
        CAPTURE(low);
        check_message({zero, zero, block_of(ones - low, ones)});
        check_message({zero, block_of(ones, ones), block_of(low, 0)});
        check_message({zero, zero, zero, block_of(low, 0)});
    }
    CHECK(ours(points[0], {zero, zero, block_of(ones - 4, ones)}) == zero);
    CHECK(ours(points[0], {zero, zero, block_of(ones - 5, ones)}) == block_of(ones - 5, ones));
}

TEST_CASE("Poly1305 carries as the reference does, wherever blocks are full") {
    constexpr std::array<std::uint64_t, 6> words{0, 1, 4, ones, ones - 4, std::uint64_t{1} << 63};
    random_source random(test_seed() + 800);
    std::vector<block> message;
    for (int i = 0; i < 200; ++i) {
        CAPTURE(i);
        message.push_back(block_of(words[random.below(words.size())], words[random.below(words.size())]));
        check_message(message);
    }
    check_message(std::vector<block>(100, block_of(ones, ones)));
}

TEST_CASE("Poly1305 of random blocks at random points is the reference's") {
    random_source random(test_seed() + 801);
    for (int i = 0; i < 2000; ++i) {
        std::vector<block> message(1 + random.below(8));
        for (auto& b : message)
            b = block_of(random.next(), random.next());
        const block point = block_of(random.next(), random.next());
        CHECK(ours(point, message) == references(point, message));
    }
}
