// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a comparison's figures are held against beside the plain path: the parts that a path is made of, each
// alone, measured in the same process shortly before the rounds. No image is involved.

#include "bench/measurement.hpp"
#include "blkcrypto/base/env.hpp"
#include "blkcrypto/cipher/crypto_mode.hpp"

#include <algorithm>
#include <optional>

namespace blkcrypto::bench {

struct control_options {
    /// Blocks are crypted and copied whole up to here; larger ones as blocks of this size.
    static constexpr std::uint32_t block_bytes_max = 4 << 20;

    std::uint32_t block_bytes; // whole data units
    data_unit_size unit_size;
    unsigned depth; // bios in flight

    std::uint32_t measured_block_bytes() const { return std::min(block_bytes, block_bytes_max); }
};

/// All of one thread. GB are 10^9 bytes.
struct control_figures {
    std::uint32_t block_bytes = 0;  // of memcpy and of the ciphers
    spread memcpy_gb_per_s;         // a block, from cache to cache if it fits there
    spread null_device_mbios_per_s; // plain writes of a block each, through a submit_queue; 10^6
};

/// On the calling thread, whose env `e` is; takes about a third of a second. program_error, exit code 1: no
/// memory.
control_figures measure_controls(env& e, const control_options& options);

/// Likewise, half as long: GB/s of a mode's cipher, from as many blocks in turn as are in flight, to one.
/// Nothing: the mode has no implementation.
std::optional<spread> measure_cipher(env& e, const control_options& options, crypto_mode mode);

} // namespace blkcrypto::bench
