// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device on an image file, or on a block device. How its queues do I/O depends on the file (image_io.hpp).
// Whichever way, I/O goes past the page cache where the file allows it and the bio is aligned, through it
// otherwise.

#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/dev/image_io.hpp"
#include "blkcrypto/dev/result_filter.hpp"

#include <string>

namespace blkcrypto {

struct image_options {
    std::string path;
    bool read_only = false; // writes end with ioerr
    direct_io direct = direct_io::automatic;
    image_io io = image_io::automatic;
    result_filter* test_faults = nullptr; // outlives the device
};

class image_device : public block_device {
  public:
    /// How its queues do I/O, and why. Never automatic.
    virtual const image_io_choice& io() const noexcept = 0;
};

/// The errors of image_file::open() and of choose_image_io(). The capacity is the size of the file at this
/// moment, in whole sectors.
result<std::unique_ptr<image_device>> make_image_device(const image_options& options);

} // namespace blkcrypto
