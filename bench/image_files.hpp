// SPDX-License-Identifier: Apache-2.0
#pragma once
// The image files of a comparison, as files: whether they can be made, and making them.

#include <cstdint>
#include <span>
#include <string>

namespace blkcrypto::bench {

/// Looks at everything that could stand in the way, and changes nothing: `base`, their common part, is no
/// directory and lies in one that can be written; there is nothing at the images' paths, or with `overwrite`
/// regular files, each its own, that can be written. program_error, exit code 2.
void check_image_files(const std::string& base, std::span<const std::string> images, bool overwrite);

/// Makes them all, of zeros, or none: what was not there before is gone again if one fails. program_error,
/// exit code 1.
void create_image_files(std::span<const std::string> images, std::uint64_t size_bytes, bool overwrite);

} // namespace blkcrypto::bench
