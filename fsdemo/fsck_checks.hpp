// SPDX-License-Identifier: Apache-2.0
#pragma once
// The second half of fsck: what the items of an image have to do with each other. Each function takes the
// tables as the tree was read into them. What follows only from items that are missing is no finding. For
// fsck alone.

#include "fsdemo/fsck_tree.hpp"

namespace blkcrypto::fsdemo {

/// Every block of the image is exactly one thing, and the superblock knows how many are free.
void check_space(const image_items& items, const superblock& super, finding_list& findings);

/// Parts lie in files and in extents, and extents know how many there are. Counts them.
void check_files(image_items& items, finding_list& findings);

/// Names, parents and policies: every inode has one name, below the root. Finds the name of each.
void check_names(image_items& items, const superblock& super, finding_list& findings);

/// After check_names(). Empty: there is no way up to the root, or a very long one.
std::string path_of(const image_items& items, inode_number inode);
std::string path_of(const image_items& items, const found_entry& entry);

} // namespace blkcrypto::fsdemo
