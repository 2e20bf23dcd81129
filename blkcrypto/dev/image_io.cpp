// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/image_io.hpp"

#include "blkcrypto/dev/uring_loop.hpp"

#include <cerrno>
#include <sched.h>
#include <sys/uio.h>

namespace blkcrypto {
namespace {

// Whether io_uring would hand each request for the file to a kernel worker: it does so with files that cannot
// be asked for I/O without waiting. The kernel says so before it looks at the place or the memory, of an
// empty file too; all other answers mean that it can be asked.
bool needs_kernel_workers(const image_file& file) {
    std::byte byte;
    const iovec memory{&byte, sizeof(byte)};
    const int fd = file.direct ? file.direct.get() : file.buffered.get();
    return preadv2(fd, &memory, 1, 0, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP;
}

bool is_missing(const std::error_code& error) {
    return error == make_error(ENOSYS) || error == make_error(EPERM);
}

// The kernel's workers run where this thread may. True if the kernel does not say.
bool has_other_processors() {
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) > 1;
}

// Where a request waits for a network or another process, it is better off in a worker, beside others: only
// what is in memory is as fast on this thread, and a worker that has no processor of its own only takes turns
// with it.
image_io_choice choose_with_ring(const image_file& file) {
    if (file.in_memory && needs_kernel_workers(file))
        return has_other_processors() ? image_io_choice{image_io::by_size, "in memory"}
                                      : image_io_choice{image_io::preadv2, "in memory, one processor"};
    return {image_io::io_uring, "not in memory"};
}

} // namespace

result<image_io_choice> choose_image_io(const image_file& file, image_io wanted) {
    if (wanted == image_io::preadv2)
        return image_io_choice{wanted, "as asked"};
    const std::error_code error = uring_loop::availability();
    if (wanted == image_io::automatic && is_missing(error))
        return image_io_choice{image_io::preadv2, "no io_uring here"};
    if (error)
        return error;
    if (wanted != image_io::automatic)
        return image_io_choice{wanted, "as asked"};
    return choose_with_ring(file);
}

} // namespace blkcrypto
