// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a filesystem's encrypted bios go, and where its keys are started and evicted: the device it lies on,
// and the fallback if there is one. Both outlive the filesystem, as the envs do, on whose thread it runs.

#include "blkcrypto/inline_crypt/submit.hpp"

namespace blkcrypto::fsdemo {

class key_strategy;

struct crypto_door {
    env& environment;
    block_device& device;
    crypto_fallback* fallback; // null: none
    env& metadata_environment; // of the same thread, for the filesystem alone: metadata_io.hpp says why
    key_strategy* strategy = nullptr; // the fallback's tfm source, if it is one that wants to hear of files
};

} // namespace blkcrypto::fsdemo
