// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret_cells.hpp"

#include "blkcrypto/base/secret.hpp"

#include <cassert>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace blkcrypto {
namespace {

constexpr lock_class cells_lock{"secret_cells"};

} // namespace

secret_cells::secret_cells(std::size_t cell_bytes, locking how) noexcept
    : cell_bytes_(cell_bytes), locking_(how), mutex_(cells_lock) {
    assert(cell_bytes % 64 == 0 && cell_bytes >= sizeof(free_cell) && cell_bytes <= 4096);
}

std::byte* secret_cells::take() noexcept {
    const plain_lock lock(mutex_);
    if (free_ == nullptr && !map_chunk())
        return nullptr;
    free_cell* taken = std::exchange(free_, free_->next);
    taken->next = nullptr;
    return reinterpret_cast<std::byte*>(taken);
}

void secret_cells::give_back(std::byte* cell) noexcept {
    zeroize({cell, cell_bytes_});
    const plain_lock lock(mutex_);
    free_ = new (cell) free_cell{free_};
}

bool secret_cells::map_chunk() noexcept {
    void* chunk = mmap(nullptr, chunk_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED)
        return false;
    (void)madvise(chunk, chunk_bytes, MADV_DONTDUMP); // best effort; programs have no core dumps besides
    if (locking_ == locking::locked)
        (void)mlock(chunk, chunk_bytes); // best effort
    auto* bytes = static_cast<std::byte*>(chunk);
    for (std::size_t cells = chunk_bytes / cell_bytes_; cells != 0; --cells)
        free_ = new (bytes + (cells - 1) * cell_bytes_) free_cell{free_};
    return true;
}

} // namespace blkcrypto
