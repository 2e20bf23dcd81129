// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files of this folder, built into the test program.

#include "blkcrypto/base/bytes.hpp"

#include <string_view>

namespace blkcrypto::vectors {

struct golden_file_pair {
    std::string_view name;
    std::string_view json;
    bytes_view bin;
};

std::span<const golden_file_pair> golden_files() noexcept;

} // namespace blkcrypto::vectors
