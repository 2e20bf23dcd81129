// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device on an image file, or on a block device, through io_uring: one ring per queue. I/O goes past the
// page cache where the file allows it and the bio is aligned, through it otherwise. What uring_loop is to
// this device: the engine, which knows nothing of bios.

#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/dev/image_file.hpp"

#include <string>

namespace blkcrypto {

/// Hears of every result before the queue does and says what it shall be: how tests make a transfer short or
/// fail. Called on the thread of the queue.
class result_filter {
  public:
    /// `res` as in a CQE: a number of bytes, or a negative errno.
    virtual int filter_result(int res) noexcept = 0;

  protected:
    ~result_filter() = default;
};

struct uring_file_options {
    std::string path;
    bool read_only = false; // writes end with ioerr
    direct_io direct = direct_io::automatic;
    result_filter* test_faults = nullptr; // outlives the device
};

/// The errors of image_file::open(). The capacity is the size of the file at this moment, in whole sectors.
/// make_queue(): ENOSYS or EPERM where there is no io_uring, ENOMEM.
result<std::unique_ptr<block_device>> make_uring_file_device(const uring_file_options& options);

} // namespace blkcrypto
