// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is on an image, read by nothing but the decoders: the newest superblock, all items of its tree, and
// what each block is. Finds whatever docs/fsdemo-format.md does not allow of a tree and of free space. For
// the tests of what writes images.

#include "fsdemo/format.hpp"

#include <map>
#include <string>
#include <vector>

namespace blkcrypto::test {

using item_map = std::map<fsdemo::tree_key, std::vector<std::byte>>;

enum class block_use : std::uint8_t { none, superblock, node, free };

struct image_walk {
    fsdemo::superblock super;
    item_map items;
    std::vector<block_use> uses; // by block
    std::size_t nodes = 0;
    std::size_t leaves = 0;
    std::string trouble; // empty: nothing is wrong

    /// Those that are for the tests to put something in: everything but FREE.
    item_map items_of_others() const;
    std::size_t count(block_use use) const;
};

image_walk walk_image(bytes_view image);

} // namespace blkcrypto::test
