// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a device asks of the bios it is given (struct queue_limits), and how a stack of devices combines.

#include <algorithm>
#include <cstdint>

namespace blkcrypto {

struct queue_limits {
    std::uint32_t logical_block_size_bytes = 512; // start and length of every bio are multiples of it
    std::uint32_t memory_alignment_bytes = 1;     // of segments, for full speed: others work
    std::uint32_t request_bytes_max = 64 << 10;   // of bios merged into one request; a bio may be larger
    /// What was written may be lost until a flush; without such a cache a flush has nothing to do.
    bool volatile_cache = false;
    bool discard = true; // takes discards
    /// Takes bios under a crypto context that begin or end within a data unit.
    bool cut_data_units = false;

    /// blk_stack_limits(): what holds for a device on top of `lower`.
    void intersect(const queue_limits& lower) noexcept {
        logical_block_size_bytes = std::max(logical_block_size_bytes, lower.logical_block_size_bytes);
        memory_alignment_bytes = std::max(memory_alignment_bytes, lower.memory_alignment_bytes);
        request_bytes_max = std::min(request_bytes_max, lower.request_bytes_max);
        volatile_cache = volatile_cache || lower.volatile_cache;
        discard = discard && lower.discard;
        cut_data_units = cut_data_units && lower.cut_data_units;
    }
};

} // namespace blkcrypto
