// SPDX-License-Identifier: Apache-2.0
#pragma once
// A bio with its segments and an observer that counts, for tests of devices.

#include "blkcrypto/block/block_device.hpp"

#include <vector>

namespace blkcrypto::test {

struct test_io final : bio_end_io {
    test_io() = default;
    test_io(bio_op op, sector at, std::vector<bio_vec> memory) : segments(std::move(memory)) {
        what.prepare(op, at, segments, *this);
    }
    void end_io(bio&) noexcept override { ++ended; }

    bio what;
    std::vector<bio_vec> segments;
    int ended = 0;
};

inline bio_vec segment_of(bytes_span memory, buffer_id buffer = unregistered_buffer) {
    return {memory.data(), static_cast<std::uint32_t>(memory.size()), buffer};
}

inline void wait_for_all(block_queue& queue) {
    while (queue.in_flight() != 0)
        queue.wait();
}

/// Submits it, waits for the end, and gives the status it had.
inline blk_status run(block_queue& queue, test_io& io) {
    queue.submit(io.what);
    wait_for_all(queue);
    return io.ended == 1 ? io.what.status : blk_status::timeout;
}

inline blk_status run(block_queue& queue, bio_op op, sector at, std::vector<bio_vec> memory) {
    test_io io(op, at, std::move(memory));
    return run(queue, io);
}

} // namespace blkcrypto::test
