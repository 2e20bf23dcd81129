// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every device has to do, whatever it is: conformance.cpp tries it on all the subjects of a program. A
// program that brings devices of its own compiles conformance.cpp and defines subjects().

#include "blkcrypto/block/block_device.hpp"

#include <memory>
#include <string>
#include <vector>

namespace blkcrypto::test {

struct subject {
    std::string name;
    bool keeps_data; // what was written can be read back
    std::unique_ptr<block_device> (*make)(sector capacity);
};

struct subject_list {
    std::vector<subject> devices;
    const char* none_because = nullptr; // why this machine cannot have any. Null: there must be some
};

subject_list subjects();

} // namespace blkcrypto::test
