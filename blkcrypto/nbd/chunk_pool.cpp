// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/chunk_pool.hpp"

#include <algorithm>
#include <cassert>
#include <sys/mman.h>

namespace blkcrypto::nbd {

result<std::unique_ptr<chunk_pool>> chunk_pool::make(unsigned count) {
    return or_no_memory([&]() -> result<std::unique_ptr<chunk_pool>> {
        std::unique_ptr<chunk_pool> pool(new chunk_pool);
        pool->chunks_.resize(count);
        pool->free_.reserve(count);
        const std::size_t bytes = std::size_t{count} * chunk_bytes;
        void* const memory =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            return make_error(ENOMEM);
        pool->memory_ = {static_cast<std::byte*>(memory), bytes};
        madvise(memory, bytes, MADV_DONTDUMP); // what clients read and write is nobody else's
        for (std::size_t i = count; i-- > 0;) {
            pool->chunks_[i].data = pool->memory_.data() + i * chunk_bytes;
            pool->free_.push_back(&pool->chunks_[i]);
        }
        return pool;
    });
}

chunk_pool::~chunk_pool() {
    if (!memory_.empty())
        munmap(memory_.data(), memory_.size());
}

chunk* chunk_pool::try_get() noexcept {
    if (free_.empty())
        return nullptr;
    chunk* const got = free_.back();
    free_.pop_back();
    got->holders = 1;
    used_end_ = std::max(used_end_, static_cast<std::size_t>(got - chunks_.data()) + 1);
    return got;
}

void chunk_pool::drop(chunk& held) noexcept {
    assert(held.holders != 0);
    if (--held.holders == 0)
        free_.push_back(&held);
}

void chunk_pool::trim(std::size_t kept) noexcept {
    assert(is_whole());
    if (used_end_ <= kept)
        return;
    madvise(chunks_[kept].data, (used_end_ - kept) * chunk_bytes, MADV_DONTNEED);
    used_end_ = kept;
    // The ones that have pages are to be used first again.
    std::sort(free_.begin(), free_.end(), std::greater<>());
}

} // namespace blkcrypto::nbd
