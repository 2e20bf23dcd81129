// SPDX-License-Identifier: Apache-2.0
// Image files in the ways that need io_uring; leaf_subjects.cpp has the other one.
#include "blkcrypto/dev/image_device.hpp"
#include "tests/dev/conformance.hpp"
#include "tests/dev/linear_layouts.hpp"
#include "tests/dev/temporary_image.hpp"

namespace blkcrypto::test {
namespace {

// The device has the file open: its name may go at once.
std::unique_ptr<block_device> make_on_image(sector capacity, image_io io, direct_io direct) {
    const temporary_image image(to_bytes(capacity).value);
    return *make_image_device({.path = image.path(), .direct = direct, .io = io});
}

std::unique_ptr<block_device> make_direct(sector capacity) {
    return make_on_image(capacity, image_io::io_uring, direct_io::automatic);
}

std::unique_ptr<block_device> make_buffered(sector capacity) {
    return make_on_image(capacity, image_io::io_uring, direct_io::off);
}

std::unique_ptr<block_device> make_by_size(sector capacity) {
    return make_on_image(capacity, image_io::by_size, direct_io::off);
}

} // namespace

subject_list subjects() {
    if (!have_uring())
        return {.devices = {}, .none_because = "no io_uring here"};
    return {{{"image by io_uring, direct if it can be", true, make_direct},
             {"image by io_uring, buffered", true, make_buffered},
             {"image by size, buffered", true, make_by_size},
             {"linear over two images by io_uring", true,
              [](sector capacity) { return make_linear_out_of_order(capacity, make_direct); }}}};
}

} // namespace blkcrypto::test
