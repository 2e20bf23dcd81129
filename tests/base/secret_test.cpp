// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"
#include "tests/support/vm_flags.hpp"

#include <algorithm>
#include <array>
#include <doctest/doctest.h>
#include <string>

using namespace blkcrypto;

namespace {

bool all_zero(bytes_view bytes) {
    return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

// A key that only `into` and the patterns know.
std::vector<test::masked_pattern> make_unique_key(secret& into, std::uint64_t stream) {
    test::random_source(test::test_seed() + stream).fill(into.writable());
    return test::masked_pieces(into.bytes());
}

} // namespace

TEST_CASE("a secret begins as zeros") {
    const auto made = secret::make(64);
    REQUIRE(made.has_value());
    CHECK(made->size_bytes() == 64);
    CHECK(all_zero(made->bytes()));
}

TEST_CASE("memory that had a secret in it comes back as zeros") {
    const std::byte* cell = nullptr;
    {
        auto first = *secret::make(secret::capacity);
        std::ranges::fill(first.writable(), std::byte{0xee});
        cell = first.bytes().data();
    }
    const auto second = *secret::make(secret::capacity);
    REQUIRE(second.bytes().data() == cell);
    CHECK(all_zero(second.bytes()));
}

TEST_CASE("no copy of a secret is left after its release") {
    auto holder = secret::make(64);
    REQUIRE(holder.has_value());
    const auto pieces = make_unique_key(*holder, 1);
    CHECK(test::count_in_memory(pieces) == 4);
    *holder = secret();
    CHECK(test::count_in_memory(pieces) == 0);
}

TEST_CASE("a move leaves no copy behind and its source empty") {
    auto from = *secret::make(64);
    const auto pieces = make_unique_key(from, 2);
    secret to = std::move(from);
    CHECK(from.size_bytes() == 0); // NOLINT(bugprone-use-after-move): that is the question
    CHECK(from.bytes().empty());
    CHECK(to.size_bytes() == 64);
    CHECK(test::count_in_memory(pieces) == 4);

    auto other = *secret::make(64);
    const auto other_pieces = make_unique_key(other, 3);
    to = std::move(other);
    CHECK(other.size_bytes() == 0); // NOLINT(bugprone-use-after-move)
    CHECK(test::count_in_memory(pieces) == 0);
    CHECK(test::count_in_memory(other_pieces) == 4);
}

#if defined(__x86_64__)
// What a register holds after it was given `key` and wiped. Nothing between the three uses a register so
// high.
std::array<std::byte, 16> xmm15_after_wipe(const std::array<std::byte, 16>& key) {
    std::array<std::byte, 16> left;
    asm volatile("movdqu %0, %%xmm15" ::"m"(key) : "xmm15");
    wipe_vector_registers();
    asm volatile("movdqu %%xmm15, %0" : "=m"(left));
    return left;
}

[[gnu::target("avx512f")]] std::array<std::byte, 64> zmm31_after_wipe(const std::array<std::byte, 64>& key) {
    std::array<std::byte, 64> left;
    asm volatile("vmovdqu64 %0, %%zmm31" ::"m"(key) : "xmm31");
    wipe_vector_registers();
    asm volatile("vmovdqu64 %%zmm31, %0" : "=m"(left));
    return left;
}

TEST_CASE("wiped vector registers hold nothing") {
    std::array<std::byte, 64> key;
    key.fill(std::byte{0xa5});
    std::array<std::byte, 16> piece;
    piece.fill(std::byte{0xa5});
    CHECK(xmm15_after_wipe(piece) == std::array<std::byte, 16>{});
    if (__builtin_cpu_supports("avx512f"))
        CHECK(zmm31_after_wipe(key) == std::array<std::byte, 64>{});
}
#endif

TEST_CASE("a secret holds at most its capacity") {
    CHECK(secret::make(secret::capacity).has_value());
    CHECK(secret::make(secret::capacity + 1).error() == std::errc::invalid_argument);
    const std::vector<std::byte> long_key(secret::capacity + 1);
    CHECK(secret::copy_of(long_key).error() == std::errc::invalid_argument);
}

TEST_CASE("a copy has the bytes of its source") {
    const auto key = test::random_bytes(64, test::test_seed());
    const auto made = secret::copy_of(key);
    REQUIRE(made.has_value());
    CHECK(std::ranges::equal(made->bytes(), key));
    CHECK(secret::copy_of({})->size_bytes() == 0);
}

TEST_CASE("bytes that a resize brings back are zero") {
    auto key = *secret::make(64);
    std::ranges::fill(key.writable(), std::byte{0x77});
    REQUIRE(key.resize(16));
    CHECK(key.size_bytes() == 16);
    REQUIRE(key.resize(secret::capacity));
    CHECK(key.bytes()[15] == std::byte{0x77});
    CHECK(all_zero(key.bytes().subspan(16)));
    CHECK_FALSE(key.resize(secret::capacity + 1));
    CHECK(key.size_bytes() == secret::capacity);
}

TEST_CASE("an empty secret has no memory to resize") {
    secret empty;
    CHECK_FALSE(empty.resize(0));
    CHECK_FALSE(empty.resize(16));
    empty.wipe();
    CHECK(empty.bytes().empty());
}

TEST_CASE("wipe zeroizes all bytes and keeps the memory") {
    auto key = *secret::make(64);
    const auto pieces = make_unique_key(key, 4);
    const std::byte* cell = key.bytes().data();
    key.wipe();
    CHECK(key.bytes().data() == cell);
    CHECK(key.size_bytes() == 64);
    CHECK(test::count_in_memory(pieces) == 0);
}

TEST_CASE("core dumps leave secrets out") {
    const auto key = *secret::make(64);
    CHECK(test::vm_flags_of(key.bytes().data()).find(" dd ") != std::string::npos);
    const std::vector<std::byte> ordinary(64);
    CHECK(test::vm_flags_of(ordinary.data()).find(" dd ") == std::string::npos);
}

TEST_CASE("many secrets at once do not share memory") {
    std::vector<secret> held;
    for (unsigned i = 0; i < 2000; ++i) {
        held.push_back(*secret::make(8));
        store_little<std::uint64_t>(held.back().writable().data(), i);
    }
    for (unsigned i = 0; i < 2000; ++i)
        CHECK(load_little<std::uint64_t>(held[i].bytes().data()) == i);
}
