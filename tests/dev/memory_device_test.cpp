// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/memory_device.hpp"

#include "blkcrypto/dev/null_device.hpp"
#include "tests/dev/test_io.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/simulated_env.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

TEST_CASE("a memory device starts out as zeros") {
    simulated_env env(1);
    const auto device = *make_memory_device(sector{64});
    const auto queue = *device->make_queue(env, {});
    std::vector<std::byte> data(64 * sector_size_bytes, std::byte{1});
    CHECK(run(*queue, bio_op::read, {0}, {segment_of(data)}) == blk_status::ok);
    CHECK(std::ranges::count(data, std::byte{0}) == 64 * sector_size_bytes);
}

TEST_CASE("what is written is in the caller's memory, at its sector") {
    simulated_env env(1);
    std::vector<std::byte> storage(8 * sector_size_bytes + 100);
    const auto device = make_memory_device(bytes_span(storage));
    CHECK(device->capacity() == sector{8});
    const auto queue = *device->make_queue(env, {});
    std::vector<std::byte> data = random_bytes(2 * sector_size_bytes, 1);
    CHECK(run(*queue, bio_op::write, {3}, {segment_of(data)}) == blk_status::ok);
    CHECK(std::equal(data.begin(), data.end(), &storage[3 * sector_size_bytes]));
    CHECK(std::ranges::count(storage, std::byte{0}) >= std::ssize(storage) - std::ssize(data));
}

TEST_CASE("a memory device of no size or an impossible one is refused") {
    CHECK(make_memory_device(sector{0}).error() == make_error(EINVAL));
    CHECK(make_memory_device(sector{1ULL << 60}).error() == make_error(ENOMEM));
    CHECK(make_memory_device(sector{1ULL << 50}).error() == make_error(ENOMEM));
}

TEST_CASE("a null device leaves the memory of a read as it was") {
    simulated_env env(1);
    const auto device = make_null_device(sector{8});
    const auto queue = *device->make_queue(env, {});
    std::vector<std::byte> data = random_bytes(sector_size_bytes, 2);
    const std::vector<std::byte> before = data;
    CHECK(run(*queue, bio_op::read, {0}, {segment_of(data)}) == blk_status::ok);
    CHECK(data == before);
}

TEST_CASE("an end_io runs in poll, not in submit") {
    simulated_env env(1);
    const auto device = *make_memory_device(sector{8});
    const auto queue = *device->make_queue(env, {});
    std::vector<std::byte> data(sector_size_bytes);
    test_io io(bio_op::read, {0}, {segment_of(data)});
    queue->submit(io.what);
    CHECK(io.ended == 0);
    CHECK(queue->poll() == 1);
    CHECK(io.ended == 1);
}
