// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where keys and what is expanded from them lie: cells of one size, cut from chunks that are mapped for
// nothing else and that core dumps leave out (as far as the system can do that). Chunks are kept for the life
// of the process: a key that comes and goes costs no system call. A free cell holds nothing but the link to
// the next.
//
// Who uses it: secret, for key bytes; ciphers, for expanded keys. Make one per kind, in static memory: it
// has no destructor, so that static objects may hold cells.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/mutex.hpp"

namespace blkcrypto {

class secret_cells {
  public:
    enum class locking {
        locked,  // in memory as far as RLIMIT_MEMLOCK allows, which io_uring's registered buffers share
        unlocked // may be swapped out
    };

    /// `cell_bytes`: a multiple of 64, which cells are aligned to, and at most 4096.
    secret_cells(std::size_t cell_bytes, locking how) noexcept;

    /// A cell of zeros; null: no memory.
    std::byte* take() noexcept;

    /// Zeroizes it first.
    void give_back(std::byte* cell) noexcept;

  private:
    struct free_cell {
        free_cell* next;
    };
    static constexpr std::size_t chunk_bytes = 64 * 1024;

    bool map_chunk() noexcept BLKCRYPTO_REQUIRES(mutex_);

    const std::size_t cell_bytes_;
    const locking locking_;
    mutex mutex_;
    free_cell* free_ BLKCRYPTO_GUARDED_BY(mutex_) = nullptr;
};

} // namespace blkcrypto
