// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every device has to do, whatever it is: conformance.cpp tries it on all the subjects of a program. A
// program that brings devices of its own compiles conformance.cpp and defines subjects().

#include "blkcrypto/block/block_device.hpp"

#include <memory>
#include <vector>

namespace blkcrypto::test {

struct subject {
    const char* name;
    bool keeps_data; // what was written can be read back
    std::unique_ptr<block_device> (*make)(sector capacity);
};

/// The devices to try; none, with a message, if this machine cannot have them.
std::vector<subject> subjects();

} // namespace blkcrypto::test
