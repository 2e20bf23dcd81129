// SPDX-License-Identifier: Apache-2.0
#pragma once
// INODE and DIR_ENTRY items. Functions over a volume; they know nothing of files' data, nor of what may be in
// which directory.

#include "fsdemo/volume.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::fsdemo {

struct dir_entry {
    std::string name;
    inode_number inode = 0;
    inode_kind kind{};
};

/// ENOENT: there is none of that number. EUCLEAN.
result<inode_item> load_inode(volume& v, inode_number inode);
/// In place of the one that is there, if there is one.
std::error_code store_inode(volume& v, inode_number inode, const inode_item& item);
std::error_code erase_inode(volume& v, inode_number inode);

/// Nothing: ENOENT. ENAMETOOLONG, EINVAL: no name that could be there.
result<dir_entry> find_entry(volume& v, inode_number directory, std::string_view name);
/// EEXIST. ENOSPC: 256 names of the same hash.
std::error_code add_entry(volume& v, inode_number directory, const dir_entry& entry);
/// ENOENT.
std::error_code erase_entry(volume& v, inode_number directory, std::string_view name);
/// All of them, by hash.
result<std::vector<dir_entry>> all_entries(volume& v, inode_number directory);
/// ENOTEMPTY.
std::error_code check_empty(volume& v, inode_number directory);

/// EINVAL, ENAMETOOLONG.
std::error_code check_name(std::string_view name) noexcept;

} // namespace blkcrypto::fsdemo
