// SPDX-License-Identifier: Apache-2.0
#pragma once
// The queue of an image device, in all its ways to do I/O: what a poll starts goes to an io_uring of the
// queue's own, any number at a time and pushed out with one system call, or is carried out by the thread that
// polls, one call after the other. Never in submit(). While there is something left to carry out, the env
// does not sleep. What uring_loop is to it: the engine, which knows nothing of bios.

#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/dev/image_io.hpp"
#include "blkcrypto/dev/result_filter.hpp"

namespace blkcrypto {

/// `io` is not automatic. `file`, and `faults` if there are any, outlive the queue. ENOMEM; the errors of
/// uring_loop::make(), but for preadv2.
result<std::unique_ptr<block_queue>> make_file_queue(const block_device& device, env& environment,
                                                     const queue_options& options, const image_file& file,
                                                     image_io io, result_filter* faults);

} // namespace blkcrypto
