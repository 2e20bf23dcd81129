// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a filesystem's encrypted bios go, and where its keys are started and evicted: the device it lies on,
// and the fallback if there is one. Both outlive the filesystem, as the envs do, on whose thread it runs.

#include "blkcrypto/inline_crypt/submit.hpp"

#include <atomic>
#include <cstdint>

namespace blkcrypto::fsdemo {

class key_strategy;

struct crypto_door {
    env& environment;
    block_device& device;
    crypto_fallback* fallback; // null: none
    env& metadata_environment; // of the same thread, for the filesystem alone: metadata_io.hpp says why
    key_strategy* strategy = nullptr; // the fallback's tfm source, if it is one that wants to hear of files
    // An account of the memory that extents' infos take, of all filesystems that have it; null: none. What
    // comes with infos for the strategy is on the strategy's own.
    std::atomic<std::uint64_t>* info_bytes = nullptr;
};

} // namespace blkcrypto::fsdemo
