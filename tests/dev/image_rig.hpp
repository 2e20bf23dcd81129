// SPDX-License-Identifier: Apache-2.0
#pragma once
// An image device on a new image, in each way it has to do I/O, with faults on demand.

#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/dev/image_device.hpp"
#include "tests/dev/temporary_image.hpp"
#include "tests/dev/test_io.hpp"
#include "tests/support/guarded_buffer.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <limits>

namespace blkcrypto::test {

/// All ways that this machine has.
inline std::vector<image_io> ways_here() {
    if (!have_uring())
        return {image_io::preadv2};
    return {image_io::preadv2, image_io::io_uring, image_io::by_size};
}

/// Lets some results pass, then makes as many errors as asked; all others short, if asked.
struct faults final : result_filter {
    int filter_result(int res) noexcept override {
        ++seen;
        if (passing != 0) {
            --passing;
        } else if (errors_left != 0) {
            --errors_left;
            return -error;
        }
        return std::min(res, bytes_max);
    }
    void fail(int with, unsigned times, unsigned after = 0) {
        error = with;
        errors_left = times;
        passing = after;
    }
    int error = 0;
    unsigned errors_left = 0;
    unsigned passing = 0;
    int bytes_max = std::numeric_limits<int>::max();
    unsigned seen = 0;
};

/// A device on a new image, with a queue on this thread.
struct opened_image {
    static constexpr std::uint64_t size_bytes = 1 << 20;

    explicit opened_image(image_options options) : image(size_bytes), env(*thread_env::make()) {
        options.path = image.path();
        device = *make_image_device(options);
        queue = *device->make_queue(*env, {.depth = 4});
    }
    temporary_image image;
    std::unique_ptr<thread_env> env;
    std::unique_ptr<image_device> device;
    std::unique_ptr<block_queue> queue;
};

/// Page-aligned memory with something in it.
struct page_memory {
    explicit page_memory(std::size_t size_bytes) : buffer(size_bytes, guard_side::start) {
        random_source(test_seed() + size_bytes).fill(buffer.bytes());
    }
    bytes_span bytes() { return buffer.bytes(); }
    bytes_span part(std::size_t number, std::size_t size_bytes) {
        return bytes().subspan(number * size_bytes, size_bytes);
    }
    std::vector<std::byte> copy() { return {bytes().begin(), bytes().end()}; }
    guarded_buffer buffer;
};

} // namespace blkcrypto::test
