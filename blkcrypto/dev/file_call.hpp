// SPDX-License-Identifier: Apache-2.0
#pragma once
// A system call on an image file: as data, so that it can be made here and now or be given to a ring.

#include "blkcrypto/block/bio.hpp"
#include "blkcrypto/dev/image_file.hpp"

#include <span>
#include <sys/uio.h>

struct io_uring_sqe;

namespace blkcrypto {

enum class file_call_kind : std::uint8_t { fdatasync, fallocate, read, write };

/// Its memory stays until the call has returned.
struct file_call {
    file_call_kind kind;
    bool direct = false; // past the page cache
    int flags = 0;       // RWF_ of a write, FALLOC_FL_ of fallocate
    std::uint64_t offset_bytes = 0;
    std::uint32_t length_bytes = 0;         // of fallocate
    buffer_id buffer = unregistered_buffer; // that all the memory lies in
    std::span<const iovec> memory = {};     // of a read or write: something
};

/// Makes the call on this thread, which waits for it. As in a CQE: a number of bytes, or a negative errno.
int make_call(const file_call& call, const image_file& file) noexcept;

/// Fills in what a ring has to do for it, all but the file.
void prepare_call(const file_call& call, io_uring_sqe& sqe) noexcept;

} // namespace blkcrypto
