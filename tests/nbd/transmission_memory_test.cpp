// SPDX-License-Identifier: Apache-2.0
// The memory that a connection receives into and sends from.
#include "blkcrypto/nbd/receive_buffer.hpp"
#include "blkcrypto/nbd/reply_memory.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::nbd;
using namespace blkcrypto::test;

namespace {

struct receiving {
    explicit receiving(unsigned chunks) : pool(*chunk_pool::make(chunks)), buffer(*pool) {}

    /// All that is offered arrives.
    std::size_t fill(std::uint32_t first_bytes, std::uint32_t each_bytes) {
        const bytes_span space = buffer.space(first_bytes, each_bytes);
        buffer.received(space.size());
        return space.size();
    }
    void arrive(bytes_view bytes, std::uint32_t each_bytes) {
        const bytes_span space = buffer.space(0, each_bytes);
        REQUIRE(space.size() >= bytes.size());
        std::ranges::copy(bytes, space.begin());
        buffer.received(bytes.size());
    }

    const std::unique_ptr<chunk_pool> pool;
    receive_buffer buffer;
};

} // namespace

// --- chunk_pool ---

TEST_CASE("a pool gives as many chunks as it has, the one used last first, each at a page of its own") {
    const auto pool = *chunk_pool::make(3);
    std::vector<chunk*> got;
    for (int i = 0; i < 3; ++i) {
        got.push_back(pool->try_get());
        REQUIRE(got.back() != nullptr);
        CHECK(reinterpret_cast<std::uintptr_t>(got.back()->data) % 4096 == 0);
        std::fill_n(got.back()->data, chunk_bytes, static_cast<std::byte>(i));
    }
    CHECK(pool->try_get() == nullptr);
    for (int i = 0; i < 3; ++i)
        CHECK(std::count(got[static_cast<std::size_t>(i)]->data,
                         got[static_cast<std::size_t>(i)]->data + chunk_bytes,
                         static_cast<std::byte>(i)) == chunk_bytes);
    ++got[1]->holders;
    pool->drop(*got[1]);
    CHECK(pool->available() == 0);
    pool->drop(*got[1]);
    CHECK(pool->try_get() == got[1]);
    for (chunk* c : got)
        pool->drop(*c);
    CHECK(pool->is_whole());
}

TEST_CASE("trim gives back all but the first chunks, and these are the ones that are used next") {
    const auto pool = *chunk_pool::make(4);
    std::vector<chunk*> got;
    for (int i = 0; i < 4; ++i) {
        got.push_back(pool->try_get());
        std::fill_n(got.back()->data, chunk_bytes, std::byte{7});
    }
    CHECK(pool->used() == 4);
    std::vector<std::byte*> places;
    for (chunk* c : {got[2], got[0], got[1], got[3]}) {
        places.push_back(c->data);
        pool->drop(*c);
    }
    std::ranges::sort(places);
    pool->trim(1);
    CHECK(pool->used() == 1);
    for (std::size_t i = 0; i < 4; ++i) {
        chunk* const c = pool->try_get();
        CHECK(c->data == places[i]);
        CHECK(std::count(c->data, c->data + chunk_bytes, std::byte{7}) == (i == 0 ? chunk_bytes : 0));
        CHECK(pool->used() == i + 1);
    }
    for (chunk* c : got)
        pool->drop(*c);
}

// --- receive_buffer ---

TEST_CASE("what has been taken and let go of makes room in the same chunk, from its beginning") {
    receiving on(2);
    std::byte* const first = on.buffer.space(0, 28).data();
    for (int i = 0; i < 100; ++i) {
        CHECK(on.buffer.space(0, 28).data() == first);
        const std::size_t bytes = on.fill(0, 28);
        CHECK(bytes == chunk_bytes / 28 * 28);
        on.buffer.take(bytes);
    }
    CHECK(on.pool->available() == 1);
}

TEST_CASE("what is held stays where it is, and the stream goes on elsewhere") {
    receiving on(2);
    const auto data = random_bytes(1000, test_seed());
    on.arrive(data, 28);
    const bytes_span held = on.buffer.unread();
    chunk& in = on.buffer.hold();
    on.buffer.take(1000);
    while (on.pool->available() != 0) {
        const std::size_t bytes = on.fill(0, 28);
        REQUIRE(bytes != 0);
        std::ranges::fill(on.buffer.unread(), std::byte{1});
        on.buffer.take(bytes);
    }
    CHECK(std::ranges::equal(held, data));
    on.pool->drop(in);
    CHECK(on.pool->available() == 1);
    on.buffer.reset();
    CHECK(on.pool->is_whole());
}

TEST_CASE("only what is unread moves to the next chunk, and is there as it was") {
    receiving on(2);
    const auto data = random_bytes(20, test_seed());
    on.buffer.take(on.fill(0, 28) - 28);
    chunk& in = on.buffer.hold();
    std::ranges::copy(data, on.buffer.unread().begin());
    on.buffer.take(8);
    REQUIRE(on.buffer.turn_over());
    CHECK(on.buffer.unread().size() == 20);
    CHECK(std::ranges::equal(on.buffer.unread().first(12), bytes_view(data).subspan(8)));
    CHECK(on.pool->available() == 0);
    on.pool->drop(in);
    CHECK(on.pool->available() == 1);
    on.buffer.reset();
}

TEST_CASE("what is unread moves to the front of its own chunk where nobody holds that, and needs no other") {
    receiving on(1);
    const auto data = random_bytes(20, test_seed());
    on.buffer.take(on.fill(0, chunk_bytes) - 20);
    std::byte* const end = on.buffer.unread().data();
    std::ranges::copy(data, on.buffer.unread().begin());
    const bytes_span space = on.buffer.space(0, 28);
    REQUIRE(!space.empty());
    CHECK(space.data() < end);
    CHECK(std::ranges::equal(on.buffer.unread(), data));
    CHECK(space.data() == on.buffer.unread().data() + 20);
}

TEST_CASE("with all chunks held there is no space, and there is some again when one is let go of") {
    receiving on(1);
    const std::size_t bytes = on.fill(0, chunk_bytes);
    chunk& in = on.buffer.hold();
    CHECK(on.buffer.is_full());
    on.buffer.take(bytes);
    CHECK(on.buffer.space(0, 28).empty());
    CHECK(!on.buffer.turn_over());
    on.pool->drop(in);
    CHECK(!on.buffer.space(0, 28).empty());
}

TEST_CASE("space is there whenever a chunk is, and ends with what is expected, or with the chunk") {
    random_source random(test_seed());
    for (int round = 0; round < 300; ++round) {
        receiving on(64);
        const auto each = static_cast<std::uint32_t>(random.below(2) == 0 ? 28 + 512 * random.below(520)
                                                                          : chunk_bytes - random.below(5000));
        CAPTURE(each);
        std::vector<chunk*> held;
        for (int i = 0; i < 20; ++i) {
            const bytes_span unread = on.buffer.unread();
            const auto first = static_cast<std::uint32_t>(
                random.below(3) != 0 ? 0 : unread.size() + 1 + random.below(400'000));
            const bytes_span space = on.buffer.space(first, each);
            CAPTURE(first);
            REQUIRE(!space.empty());
            const std::size_t after_first = on.buffer.unread().size() + space.size() - first;
            const bool ends_with_chunk = [&] {
                receive_buffer& b = on.buffer;
                b.received(space.size());
                return b.is_full();
            }();
            CHECK((ends_with_chunk || after_first % each == 0));
            const std::size_t taken = on.buffer.unread().size() -
                                      random.below(std::min<std::size_t>(on.buffer.unread().size(), 28));
            if (random.below(2) == 0 && on.pool->available() != 0)
                held.push_back(&on.buffer.hold());
            on.buffer.take(taken);
        }
        for (chunk* c : held)
            on.pool->drop(*c);
        on.buffer.reset();
        CHECK(on.pool->is_whole());
    }
}

TEST_CASE("requests of one size lie whole in their chunks, side by side") {
    receiving on(8);
    constexpr std::uint32_t each = 28 + 65536;
    std::vector<chunk*> held;
    for (int i = 0; i < 12; ++i) {
        while (on.buffer.unread().size() < each)
            REQUIRE(on.fill(0, each) != 0);
        CHECK(on.buffer.unread().size() % each == 0);
        held.push_back(&on.buffer.hold());
        on.buffer.take(each);
    }
    CHECK(held[0] == held[3]);
    CHECK(held[0] != held[4]);
    CHECK(held[4] == held[7]);
    for (chunk* c : held)
        on.pool->drop(*c);
}

// --- reply_memory ---

TEST_CASE("small runs lie side by side in one chunk, aligned, and none lies across two") {
    const auto pool = *chunk_pool::make(3);
    random_source random(test_seed());
    {
        reply_memory memory(*pool);
        for (int round = 0; round < 50; ++round) {
            std::vector<reply_memory::run> runs;
            const auto step = static_cast<std::uint32_t>(1 + random.below(chunk_bytes));
            for (;;) {
                const auto bytes = static_cast<std::uint32_t>(1 + random.below(step));
                const reply_memory::run got = memory.try_get(bytes);
                if (got.data == nullptr)
                    break;
                const auto begin = static_cast<std::size_t>(got.data - got.in->data);
                CHECK(begin % (bytes < 4096 ? 512 : 4096) == 0);
                CHECK(begin + bytes <= chunk_bytes);
                if (!runs.empty() && runs.back().in == got.in)
                    CHECK(got.data > runs.back().data);
                std::fill_n(got.data, bytes, static_cast<std::byte>(runs.size()));
                runs.push_back(got);
            }
            CHECK(runs.size() >= 3);
            for (std::size_t i = 0; i < runs.size(); ++i)
                CHECK(*runs[i].data == static_cast<std::byte>(i));
            for (const auto& r : runs)
                pool->drop(*r.in);
            CHECK(pool->available() == 2); // the memory keeps the one that it would go on with
        }
    }
    CHECK(pool->is_whole());
}

TEST_CASE("a chunk whose runs are all done with is used again from its beginning") {
    const auto pool = *chunk_pool::make(2);
    reply_memory memory(*pool);
    std::byte* first = nullptr;
    for (int i = 0; i < 1000; ++i) {
        const reply_memory::run got = memory.try_get(65536);
        first = i == 0 ? got.data : first;
        CHECK(got.data == first);
        pool->drop(*got.in);
    }
    CHECK(pool->used() == 1);
}
