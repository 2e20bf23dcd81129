// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a real kernel wrote, as README.md beside this says, with the keys and DUNs it had.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/uint256.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace blkcrypto::vectors {

/// Consecutive data units of a file.
struct golden_extent {
    std::uint64_t lblk;
    uint256 first_dun;
    std::vector<std::byte> plain;
    bytes_view cipher;
};

struct golden_file {
    std::string name;
    std::vector<std::byte> key;
    std::vector<golden_extent> extents; // that were written
};

struct golden_set {
    std::string name;
    std::string mode; // ours: "adiantum"
    std::uint32_t unit_size_bytes;
    std::vector<golden_file> files;
    std::vector<std::byte> master_key;
    std::vector<std::byte> key_identifier;
    std::vector<std::byte> bin_sha256;
    bytes_view bin;
};

/// All three.
const std::vector<golden_set>& golden_sets();

} // namespace blkcrypto::vectors
