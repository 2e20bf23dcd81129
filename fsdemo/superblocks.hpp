// SPDX-License-Identifier: Apache-2.0
#pragma once
// The two superblocks of an image, and which of them counts. For volume, which goes on with that one, and
// fsck, which looks at both.

#include "fsdemo/metadata_io.hpp"

#include <array>
#include <optional>
#include <string>

namespace blkcrypto::fsdemo {

struct superblock_copy {
    std::error_code error; // of reading it
    std::optional<superblock> super;
    std::string_view why; // there is none
    bool is_empty = false;
    bool is_misplaced = false; // it is where the other one belongs: the next state would overwrite it

    bool may_count() const noexcept { return super && !is_misplaced; }
};
using superblock_copies = std::array<superblock_copy, superblock_count>;

/// Throws std::bad_alloc.
superblock_copies read_superblocks(metadata_io& io);

/// The block of the one that counts: the newer of those that may. EMEDIUMTYPE: neither is one of fsdemo.
/// EUCLEAN: damaged. The error of reading one, if the other is not valid. `why` says more.
result<block_number> newest_superblock(const superblock_copies& copies, std::string& why);

} // namespace blkcrypto::fsdemo
