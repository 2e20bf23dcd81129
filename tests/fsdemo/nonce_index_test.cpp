// SPDX-License-Identifier: Apache-2.0
// What the infos of extents lie in, and are found by, when there is no memory for more of it.
#include "fsdemo/extent_memory.hpp"
#include "fsdemo/nonce_index.hpp"
#include "tests/support/allocation_counter.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <memory>
#include <new>
#include <optional>
#include <unistd.h>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

crypto_nonce nonce_of(std::uint64_t number) {
    crypto_nonce nonce{};
    store_little(nonce.data(), number);
    return nonce;
}

/// Whether it threw, for a lack of memory at that allocation or at none.
template <typename Grow>
bool throws(std::uint64_t failing, Grow grow) {
    const allocation_fault fault(failing);
    try {
        grow();
    } catch (const std::bad_alloc&) {
        return true;
    }
    return false;
}

/// All places, from the one not used for longest.
std::vector<std::uint32_t> idle_places(nonce_index& index) {
    std::vector<std::uint32_t> order;
    for (; index.least_recent() != nonce_index::none; index.take(order.back()))
        order.push_back(index.least_recent());
    for (const std::uint32_t place : order)
        index.put_most_recent(place);
    return order;
}

std::size_t mapped_bytes() {
    std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/self/statm", "r"), &std::fclose);
    unsigned long pages = 0;
    REQUIRE(file);
    REQUIRE(std::fscanf(file.get(), "%lu", &pages) == 1);
    return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

} // namespace

TEST_CASE("an index that cannot grow is as it was, also the second time, and grows when there is memory") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    for (std::uint64_t first = 0; first < 4; ++first)
        for (std::uint64_t second = 0; second < 4; ++second) {
            CAPTURE(first);
            CAPTURE(second);
            nonce_index index;
            index.grow(5);
            for (std::uint32_t place = 0; place < 5; ++place)
                index.insert(nonce_of(place), place);
            const auto order = idle_places(index);
            for (const std::uint64_t failing : {first, second})
                if (throws(failing, [&] { index.grow(100); })) {
                    CHECK(index.size() == 5);
                    CHECK(idle_places(index) == order);
                }
            index.grow(100);
            CHECK(index.size() == 100);
            CHECK(idle_places(index).size() == 100);
            for (std::uint32_t place = 0; place < 5; ++place) {
                std::uint32_t found = index.first_like(nonce_of(place));
                while (found != place && found != nonce_index::none)
                    found = index.next_like(found);
                CHECK(found == place);
            }
        }
}

TEST_CASE("memory of infos that cannot grow in one mode has grown in none") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    constexpr std::size_t each_bytes = 64 << 10;
    constexpr std::uint32_t before = 64;
    constexpr std::uint32_t after = 128;
    constexpr std::size_t step_bytes = each_bytes * (after - before);
    constexpr std::array modes{crypto_mode::aes_256_xts, crypto_mode::adiantum};
    bool has_thrown = true;
    for (std::uint64_t failing = 0; has_thrown; ++failing) {
        CAPTURE(failing);
        extent_memory memory;
        for (const crypto_mode mode : modes)
            REQUIRE_FALSE(memory.add_mode(mode, each_bytes, before));
        const std::size_t mapped = mapped_bytes();
        std::error_code error;
        has_thrown = throws(failing, [&] { error = memory.grow(before, after); });
        CHECK_FALSE(error);
        CHECK(mapped_bytes() - mapped < (has_thrown ? 1 : 3) * step_bytes);
        if (has_thrown)
            CHECK_FALSE(memory.grow(before, after));
        CHECK(mapped_bytes() - mapped < 3 * step_bytes);
        for (const crypto_mode mode : modes)
            for (const std::uint32_t place : {std::uint32_t{0}, before - 1, before, after - 1})
                CHECK(memory.of(mode, place).size() == each_bytes);
        REQUIRE(failing < 10);
    }
}
