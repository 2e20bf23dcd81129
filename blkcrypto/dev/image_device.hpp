// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device on an image file, or on a block device. How its queues do I/O depends on the file (image_io.hpp).
// Whichever way, I/O goes past the page cache if the file allows it for blocks of the device's size, through
// it otherwise: one or the other for all bios, as the loop driver does it. Bios whose memory is not aligned
// as the limits say are copied where they go past the cache.

#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/dev/image_file.hpp"
#include "blkcrypto/dev/image_io.hpp"
#include "blkcrypto/dev/result_filter.hpp"

#include <string>

namespace blkcrypto {

struct image_options {
    std::string path;
    bool read_only = false; // writes end with ioerr
    /// A power of two, 512 to 4096 (losetup --sector-size). Some disks and filesystems can be read and
    /// written past the page cache in pieces of 4096 bytes only.
    std::uint32_t logical_block_size_bytes = 512;
    direct_io direct = direct_io::automatic;
    image_io io = image_io::automatic;
    result_filter* test_faults = nullptr; // outlives the device
};

class image_device : public block_device {
  public:
    /// How its queues do I/O, and why. Never automatic.
    virtual const image_io_choice& io() const noexcept = 0;
};

/// EINVAL for a block size that is none; the errors of image_file::open() and of choose_image_io(). The
/// capacity is the size of the file at this moment, in whole sectors.
result<std::unique_ptr<image_device>> make_image_device(const image_options& options);

} // namespace blkcrypto
