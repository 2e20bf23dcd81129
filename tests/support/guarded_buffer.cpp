// SPDX-License-Identifier: Apache-2.0
#include "tests/support/guarded_buffer.hpp"

#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace blkcrypto::test {

guarded_buffer::guarded_buffer(std::size_t size_bytes, guard_side exact_side) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t inner = (size_bytes + page - 1) / page * page;
    void* mapped = mmap(nullptr, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        throw std::bad_alloc();
    mapping_ = {static_cast<std::byte*>(mapped), inner + 2 * page};
    if (mprotect(mapping_.data() + page, inner, PROT_READ | PROT_WRITE) != 0)
        throw std::bad_alloc();
    const std::size_t offset = exact_side == guard_side::start ? page : page + inner - size_bytes;
    bytes_ = mapping_.subspan(offset, size_bytes);
}

guarded_buffer::~guarded_buffer() {
    munmap(mapping_.data(), mapping_.size());
}

} // namespace blkcrypto::test
