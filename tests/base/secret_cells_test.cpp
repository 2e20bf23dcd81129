// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret_cells.hpp"

#include "tests/support/allocation_counter.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"
#include "tests/support/vm_flags.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace blkcrypto;

namespace {

using locking = secret_cells::locking;

// The least, one that a chunk has no whole number of, those of an expanded key and the most.
constexpr std::array<std::size_t, 5> cell_sizes{64, 128, 192, 768, 4096};

bool all_bytes_are(const std::byte* cell, std::size_t size, std::byte value) {
    return std::all_of(cell, cell + size, [value](std::byte b) { return b == value; });
}

void fill(std::byte* cell, std::size_t size, std::byte value) {
    std::memset(cell, std::to_integer<int>(value), size);
}

std::vector<std::byte*> take_many(secret_cells& cells, std::size_t count) {
    std::vector<std::byte*> taken;
    for (std::size_t i = 0; i < count; ++i) {
        taken.push_back(cells.take());
        REQUIRE(taken.back() != nullptr);
    }
    return taken;
}

// More than two chunks have.
std::size_t many(std::size_t cell_bytes) {
    return 150000 / cell_bytes + 2;
}

// Takes cells and gives them back; the number of those that were not as they should be.
int wrong_cells(secret_cells& cells, std::size_t size, std::byte mine) {
    int wrong = 0;
    std::vector<std::byte*> held;
    for (int round = 0; round < 2000; ++round) {
        held.push_back(cells.take());
        wrong += all_bytes_are(held.back(), size, std::byte{0}) ? 0 : 1;
        fill(held.back(), size, mine);
        if (held.size() == 7) {
            for (std::byte* cell : held) {
                wrong += all_bytes_are(cell, size, mine) ? 0 : 1;
                cells.give_back(cell);
            }
            held.clear();
        }
    }
    for (std::byte* cell : held)
        cells.give_back(cell);
    return wrong;
}

// While it lives the process gets no more memory.
class no_more_memory {
  public:
    no_more_memory() {
        getrlimit(RLIMIT_AS, &before_);
        const rlimit none{1, before_.rlim_max};
        setrlimit(RLIMIT_AS, &none);
    }
    ~no_more_memory() { setrlimit(RLIMIT_AS, &before_); }
    no_more_memory(const no_more_memory&) = delete;
    no_more_memory& operator=(const no_more_memory&) = delete;

  private:
    rlimit before_{};
};

} // namespace

TEST_CASE("a secret cell is zeros when it is taken, whatever was in it before") {
    for (const std::size_t size : cell_sizes) {
        CAPTURE(size);
        secret_cells cells(size, locking::unlocked);
        for (int round = 0; round < 3; ++round) {
            const auto taken = take_many(cells, many(size));
            for (std::byte* cell : taken) {
                CHECK(all_bytes_are(cell, size, std::byte{0}));
                fill(cell, size, std::byte{0xee});
            }
            for (std::byte* cell : taken)
                cells.give_back(cell);
        }
    }
}

TEST_CASE("secret cells are aligned to 64 bytes and do not overlap") {
    for (const std::size_t size : cell_sizes) {
        CAPTURE(size);
        secret_cells cells(size, locking::unlocked);
        auto taken = take_many(cells, many(size));
        std::ranges::sort(taken);
        for (std::size_t i = 0; i < taken.size(); ++i) {
            CHECK(reinterpret_cast<std::uintptr_t>(taken[i]) % 64 == 0);
            if (i != 0)
                CHECK(taken[i] - taken[i - 1] >= static_cast<std::ptrdiff_t>(size));
        }
    }
}

TEST_CASE("a secret cell that was given back is the next to be taken") {
    secret_cells cells(128, locking::unlocked);
    std::byte* first = cells.take();
    std::byte* second = cells.take();
    cells.give_back(first);
    CHECK(cells.take() == first);
    cells.give_back(second);
    cells.give_back(first);
    CHECK(cells.take() == first);
    CHECK(cells.take() == second);
}

TEST_CASE("nothing of a secret cell is left after it was given back but a link") {
    secret_cells cells(768, locking::unlocked);
    std::byte* cell = cells.take();
    test::random_source(test::test_seed() + 1).fill({cell, 768});
    const auto pieces = test::masked_pieces({cell, 768});
    CHECK(test::count_in_memory(pieces) == pieces.size());
    cells.give_back(cell);
    CHECK(test::count_in_memory(pieces) == 0);
    CHECK(all_bytes_are(cell + sizeof(void*), 768 - sizeof(void*), std::byte{0}));
}

TEST_CASE("core dumps leave secret cells out, locked or not") {
    for (const auto how : {locking::locked, locking::unlocked}) {
        secret_cells cells(4096, how);
        for (const std::byte* cell : take_many(cells, many(4096)))
            CHECK(test::vm_flags_of(cell).find(" dd ") != std::string::npos);
    }
}

TEST_CASE("secret cells are locked in memory where that is asked for and allowed") {
    secret_cells unlocked(768, locking::unlocked);
    CHECK(test::vm_flags_of(unlocked.take()).find(" lo ") == std::string::npos);
    rlimit limit{};
    REQUIRE(getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    secret_cells locked(768, locking::locked);
    const std::byte* cell = locked.take();
    REQUIRE(cell != nullptr);
    const bool sanitized = !test::allocation_counter::available(); // mlock() does nothing then
    if (limit.rlim_cur >= 1024 * 1024 && !sanitized)
        CHECK(test::vm_flags_of(cell).find(" lo ") != std::string::npos);
}

TEST_CASE("secret cells that there is no memory for are null, and there may be some later") {
    secret_cells cells(4096, locking::unlocked);
    std::byte* refused = nullptr;
    {
        const no_more_memory from_here;
        refused = cells.take();
    }
    CHECK(refused == nullptr);
    CHECK(cells.take() != nullptr);
}

TEST_CASE("threads that take secret cells and give them back never share one") {
    for (const std::size_t size : {std::size_t{64}, std::size_t{768}}) {
        secret_cells cells(size, locking::unlocked);
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (unsigned char mine = 1; mine <= 4; ++mine)
            threads.emplace_back([&, mine] { wrong += wrong_cells(cells, size, std::byte{mine}); });
        for (auto& thread : threads)
            thread.join();
        CHECK(wrong.load() == 0);
    }
}

TEST_CASE("a secret cell may be given back by another thread than took it") {
    secret_cells cells(192, locking::unlocked);
    std::byte* cell = cells.take();
    fill(cell, 192, std::byte{0x31});
    std::thread([&] { cells.give_back(cell); }).join();
    CHECK(cells.take() == cell);
    CHECK(all_bytes_are(cell, 192, std::byte{0}));
}
