// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/uring_file_device.hpp"
#include "tests/dev/conformance.hpp"
#include "tests/dev/linear_layouts.hpp"
#include "tests/dev/temporary_image.hpp"

namespace blkcrypto::test {
namespace {

// The device has the file open: its name may go at once.
std::unique_ptr<block_device> make_on_image(sector capacity, direct_io direct) {
    const temporary_image image(to_bytes(capacity).value);
    return *make_uring_file_device({.path = image.path(), .direct = direct});
}

std::unique_ptr<block_device> make_direct(sector capacity) {
    return make_on_image(capacity, direct_io::automatic);
}

std::unique_ptr<block_device> make_buffered(sector capacity) {
    return make_on_image(capacity, direct_io::off);
}

} // namespace

subject_list subjects() {
    if (!have_uring())
        return {.devices = {}, .none_because = "no io_uring here"};
    return {{{"uring_file, direct if it can be", true, make_direct},
             {"uring_file, buffered", true, make_buffered},
             {"linear over two uring_files", true,
              [](sector capacity) { return make_linear_out_of_order(capacity, make_direct); }}}};
}

} // namespace blkcrypto::test
