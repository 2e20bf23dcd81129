// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ways in which an image device does I/O, and which of them is best for a file.

#include "blkcrypto/dev/image_file.hpp"

#include <array>
#include <string_view>

namespace blkcrypto {

enum class image_io : std::uint8_t {
    automatic, // the best of the others for the file
    io_uring,  // all requests through a ring
    preadv2,   // all by plain system calls of the thread that polls, one after the other
    by_size    // the small ones by system calls, large ones that come in company through a ring
};
inline constexpr std::array<std::string_view, 4> image_io_names{"auto", "io_uring", "preadv2", "by_size"};

constexpr std::string_view name_of(image_io io) {
    return image_io_names[static_cast<std::size_t>(io)];
}

struct image_io_choice {
    image_io io; // never automatic
    std::string_view why;
};

/// What is `wanted`, or the best for the file: by what the kernel says of it, not by speed. Reads a byte of
/// it at most. The errors of uring_loop::make() if there is no ring for what is wanted.
result<image_io_choice> choose_image_io(const image_file& file, image_io wanted);

} // namespace blkcrypto
