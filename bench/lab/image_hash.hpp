// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace blkcrypto::bench {

/// SHA-256 of a whole image file, in hex. Read past the page cache where it can be, so that the I/O that is
/// measured next finds nothing of it there. program_error, exit code 1.
std::string image_hash(const std::string& path);

} // namespace blkcrypto::bench
