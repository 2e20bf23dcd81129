// SPDX-License-Identifier: Apache-2.0
#pragma once
// Fuzzers of images: what makes a mutated image one that is looked at any further. A checksum that is wrong
// hides all that is behind it, and no mutation ever makes one right.

#include "fsdemo/format.hpp"

#include <vector>

namespace blkcrypto::test {

/// The input as an image of whole blocks, 64 at least: zeros behind its end.
std::vector<std::byte> image_of(bytes_view input);

/// Gives both superblocks and each block with the magic of a node the right checksum.
void fix_checksums(bytes_span image);

} // namespace blkcrypto::test
