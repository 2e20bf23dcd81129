// SPDX-License-Identifier: Apache-2.0
#pragma once
// The verbs of the program `fsdemo`, a file each.

#include "blkcrypto/tools/cli/program.hpp"

namespace blkcrypto::fsdemo::tools {

/// mkfs: an image with an empty filesystem.
std::unique_ptr<cli::verb> make_mkfs_verb();

/// mkdir: a directory, with an encryption policy or without.
std::unique_ptr<cli::verb> make_mkdir_verb();

/// put, get: data into a file and out of it.
std::unique_ptr<cli::verb> make_put_verb();
std::unique_ptr<cli::verb> make_get_verb();

/// ls: what is in a directory.
std::unique_ptr<cli::verb> make_ls_verb();

/// stat: what is known of a file, enough to decrypt it with another program.
std::unique_ptr<cli::verb> make_stat_verb();

/// cp --reflink: a file that shares another one's extents.
std::unique_ptr<cli::verb> make_cp_verb();

/// mv, rm: names.
std::unique_ptr<cli::verb> make_mv_verb();
std::unique_ptr<cli::verb> make_rm_verb();

/// truncate: the size of a file.
std::unique_ptr<cli::verb> make_truncate_verb();

/// df: how full it is.
std::unique_ptr<cli::verb> make_df_verb();

/// fsck: whether an image is as its format says.
std::unique_ptr<cli::verb> make_fsck_verb();

/// derive: a key from a master key, as the filesystem does it.
std::unique_ptr<cli::verb> make_derive_verb();

} // namespace blkcrypto::fsdemo::tools
