// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/file_call.hpp"

#include <cerrno>
#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

namespace blkcrypto {
namespace {

// One piece of memory and no flags is the usual case, and the kernel's shortest way.
ssize_t transfer(int fd, const file_call& call) noexcept {
    const auto offset = static_cast<off_t>(call.offset_bytes);
    const iovec& first = call.memory.front();
    const auto count = static_cast<int>(call.memory.size());
    const bool reads = call.kind == file_call_kind::read;
    if (count == 1 && call.flags == 0)
        return reads ? pread(fd, first.iov_base, first.iov_len, offset)
                     : pwrite(fd, first.iov_base, first.iov_len, offset);
    return reads ? preadv2(fd, &first, count, offset, call.flags)
                 : pwritev2(fd, &first, count, offset, call.flags);
}

void prepare_transfer(const file_call& call, io_uring_sqe& sqe) noexcept {
    const bool reads = call.kind == file_call_kind::read;
    const iovec& first = call.memory.front();
    const auto length = static_cast<unsigned>(first.iov_len);
    if (call.memory.size() > 1) {
        io_uring_prep_rw(reads ? IORING_OP_READV : IORING_OP_WRITEV, &sqe, 0, call.memory.data(),
                         static_cast<unsigned>(call.memory.size()), call.offset_bytes);
    } else if (call.buffer == unregistered_buffer) {
        io_uring_prep_rw(reads ? IORING_OP_READ : IORING_OP_WRITE, &sqe, 0, first.iov_base, length,
                         call.offset_bytes);
    } else {
        io_uring_prep_rw(reads ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED, &sqe, 0, first.iov_base,
                         length, call.offset_bytes);
        sqe.buf_index = call.buffer;
    }
    sqe.rw_flags = call.flags;
}

} // namespace

int make_call(const file_call& call, const image_file& file) noexcept {
    const int fd = call.direct ? file.direct.get() : file.buffered.get();
    ssize_t res = 0;
    if (call.kind == file_call_kind::fdatasync)
        res = fdatasync(fd);
    else if (call.kind == file_call_kind::fallocate)
        res = fallocate(fd, call.flags, static_cast<off_t>(call.offset_bytes), call.length_bytes);
    else
        res = transfer(fd, call);
    return res < 0 ? -errno : static_cast<int>(res); // no call moves more than 2 GiB
}

void prepare_call(const file_call& call, io_uring_sqe& sqe) noexcept {
    if (call.kind == file_call_kind::fdatasync)
        io_uring_prep_fsync(&sqe, 0, IORING_FSYNC_DATASYNC);
    else if (call.kind == file_call_kind::fallocate)
        io_uring_prep_fallocate(&sqe, 0, call.flags, static_cast<off_t>(call.offset_bytes),
                                call.length_bytes);
    else
        prepare_transfer(call, sqe);
}

} // namespace blkcrypto
