// SPDX-License-Identifier: Apache-2.0
#pragma once
// What differs between generations of the kernel as far as somebody can see it from outside, in one place.
// The default is the newest. A queue, a fallback and a tfm source that belong together are given the same
// one; each takes from it what is its own.

#include "blkcrypto/base/status.hpp"

namespace blkcrypto {

struct kernel_generation {
    blk_status misaligned = blk_status::inval; // what an encrypted bio with cut data units ends with
    unsigned bounce_reserve_pages = 256;       // num_prealloc_bounce_pg
    unsigned fallback_keyslots = 100;          // num_keyslots, a boot parameter of all generations
    bool has_sm4 = true;                       // SM4-XTS, from 6.2
};

/// 7.0: the fallback above the block layer, a reserve as large as the largest encrypted bio.
inline constexpr kernel_generation kernel_7_0{};
/// 6.12: BLK_STS_INVAL exists, the reserve is still 32 pages.
inline constexpr kernel_generation kernel_6_12{.bounce_reserve_pages = 32};
/// 6.1, long-term: EINVAL has no status of its own yet, SM4 no mode.
inline constexpr kernel_generation kernel_6_1{
    .misaligned = blk_status::ioerr, .bounce_reserve_pages = 32, .has_sm4 = false};

} // namespace blkcrypto
