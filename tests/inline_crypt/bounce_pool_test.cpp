// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/bounce_pool.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <doctest/doctest.h>
#include <vector>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t page_bytes = 1U << bounce_pool::chunk_bits_min;
constexpr std::uint32_t chunk_bytes_max = 1U << bounce_pool::chunk_bits_max;

// Chunks that are out, each filled with a byte of its own: an overlap shows as a byte of somebody else.
class chunks_out {
  public:
    explicit chunks_out(bounce_pool& pool) : pool_(pool) {}

    void add(const bounce_chunk& chunk) {
        const auto mark = static_cast<int>(1 + out_.size() % 250);
        std::memset(chunk.data, mark, chunk.size_bytes);
        out_.push_back({chunk, static_cast<std::byte>(mark)});
    }

    // False if somebody else wrote into it.
    bool put(std::size_t n) {
        const entry e = out_[n];
        out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(n));
        const bytes_view bytes(e.chunk.data, e.chunk.size_bytes);
        pool_.put(e.chunk);
        return std::ranges::all_of(bytes, [&](std::byte b) { return b == e.mark; });
    }

    bool put_all(random_source& random) {
        bool intact = true;
        while (!out_.empty())
            intact &= put(random.below(out_.size()));
        return intact;
    }

    std::size_t size() const { return out_.size(); }

  private:
    struct entry {
        bounce_chunk chunk;
        std::byte mark;
    };
    bounce_pool& pool_;
    std::vector<entry> out_;
};

bool is_inside(const bounce_chunk& chunk, bytes_span region) {
    return chunk.data >= region.data() && chunk.data + chunk.size_bytes <= region.data() + region.size();
}

// What was wanted in whole pages, or less by powers of two.
bool is_chunk_size(std::uint32_t bytes, std::uint32_t wanted) {
    const std::uint32_t whole_pages = (wanted + page_bytes - 1) / page_bytes * page_bytes;
    return bytes == whole_pages ||
           (std::has_single_bit(bytes) && bytes >= page_bytes && bytes <= whole_pages);
}

} // namespace

TEST_CASE("bounce chunks do not overlap, whatever is taken and put") {
    random_source random(test_seed() + 1);
    for (const unsigned pages : {1U, 2U, 3U, 7U, 16U, 63U, 100U, 1500U}) {
        CAPTURE(pages);
        auto pool = *bounce_pool::make(std::size_t{pages} * page_bytes);
        CHECK(pool.region().size() == std::size_t{pages} * page_bytes);
        chunks_out out(pool);
        bool all_right = true;
        for (int step = 0; step < 2000; ++step) {
            if (out.size() != 0 && random.below(2) == 0) {
                all_right &= out.put(random.below(out.size()));
                continue;
            }
            const auto least = static_cast<std::uint32_t>(512U << random.below(8));
            const auto wanted = static_cast<std::uint32_t>(least + random.below(64 * page_bytes));
            const bounce_chunk chunk = pool.try_get(wanted, least);
            if (!chunk)
                continue;
            all_right &= is_inside(chunk, pool.region()) && is_chunk_size(chunk.size_bytes, wanted);
            all_right &= chunk.size_bytes >= least;
            out.add(chunk);
        }
        all_right &= out.put_all(random);
        CHECK(all_right);
        CHECK(pool.is_whole());
    }
}

TEST_CASE("a bounce pool that was cut to pieces joins them again") {
    random_source random(test_seed() + 2);
    auto pool = *bounce_pool::make(64 * page_bytes);
    for (int round = 0; round < 20; ++round) {
        chunks_out out(pool);
        for (int page = 0; page < 64; ++page)
            out.add(pool.try_get(page_bytes, page_bytes));
        CHECK_FALSE(pool.try_get(page_bytes, page_bytes));
        CHECK(out.put_all(random));
        const bounce_chunk whole = pool.try_get(64 * page_bytes, 64 * page_bytes);
        REQUIRE(whole);
        CHECK(whole.size_bytes == 64 * page_bytes);
        pool.put(whole);
    }
}

TEST_CASE("pages that a bounce chunk does not need are there for others, and come back together") {
    random_source random(test_seed() + 3);
    auto pool = *bounce_pool::make(16 * page_bytes);
    for (std::uint32_t pages = 1; pages <= 16; ++pages) {
        CAPTURE(pages);
        chunks_out out(pool);
        const bounce_chunk first = pool.try_get(pages * page_bytes - 512, page_bytes);
        CHECK(first.size_bytes == pages * page_bytes);
        out.add(first);
        for (std::uint32_t left = 16 - pages; left != 0; --left) {
            const bounce_chunk page = pool.try_get(page_bytes, page_bytes);
            REQUIRE(page);
            out.add(page);
        }
        CHECK_FALSE(pool.try_get(page_bytes, page_bytes));
        CHECK(out.put_all(random));
        const bounce_chunk whole = pool.try_get(16 * page_bytes, 16 * page_bytes);
        REQUIRE(whole);
        pool.put(whole);
    }
}

TEST_CASE("whoever wants more than the bounce pool has gets the largest there is") {
    auto pool = *bounce_pool::make(7 * page_bytes);
    const bounce_chunk four = pool.try_get(1 << 20, page_bytes);
    CHECK(four.size_bytes == 4 * page_bytes);
    const bounce_chunk two = pool.try_get(1 << 20, page_bytes);
    CHECK(two.size_bytes == 2 * page_bytes);
    const bounce_chunk one = pool.try_get(1 << 20, 512);
    CHECK(one.size_bytes == page_bytes);
    CHECK_FALSE(pool.try_get(512, 512));
    for (const auto& chunk : {four, two, one})
        pool.put(chunk);
    CHECK(pool.is_whole());
}

TEST_CASE("a bounce pool gives no less than the least that is asked for") {
    auto pool = *bounce_pool::make(6 * page_bytes);
    const bounce_chunk four = pool.try_get(4 * page_bytes, 4 * page_bytes);
    REQUIRE(four);
    CHECK_FALSE(pool.try_get(16 * page_bytes, 4 * page_bytes));
    CHECK_FALSE(pool.try_get(16 * page_bytes, 2 * page_bytes + 1));
    const bounce_chunk two = pool.try_get(16 * page_bytes, page_bytes + 1);
    CHECK(two.size_bytes == 2 * page_bytes);
    pool.put(four);
    pool.put(two);
}

TEST_CASE("a chunk is never larger than four megabytes") {
    auto pool = *bounce_pool::make(2 * std::uint64_t{chunk_bytes_max});
    const bounce_chunk first = pool.try_get(UINT32_MAX, page_bytes);
    const bounce_chunk second = pool.try_get(UINT32_MAX, page_bytes);
    CHECK(first.size_bytes == chunk_bytes_max);
    CHECK(second.size_bytes == chunk_bytes_max);
    CHECK_FALSE(pool.try_get(512, 512));
    pool.put(first);
    pool.put(second);
}

TEST_CASE("a bounce pool rounds its size up to whole pages") {
    for (const unsigned bytes : {1U, 511U, 4095U, 4096U}) {
        auto pool = *bounce_pool::make(bytes);
        CHECK(pool.region().size() == page_bytes);
    }
    CHECK(bounce_pool::make(4097)->region().size() == 2 * page_bytes);
}

TEST_CASE("a bounce pool of no bytes never has anything") {
    auto pool = *bounce_pool::make(0);
    CHECK(pool.region().empty());
    CHECK_FALSE(pool.try_get(512, 512));
    CHECK_FALSE(pool.try_get(0, 0));
    CHECK(pool.is_whole());
}
