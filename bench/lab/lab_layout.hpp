// SPDX-License-Identifier: Apache-2.0
#pragma once
// Fills an image for the lab: directories with their policies, modules, files extent by extent. lab_image's
// alone.

#include "bench/lab/lab_options.hpp"
#include "fsdemo/format.hpp"

namespace blkcrypto::bench {

class lab_master_keys;

/// Of the file that stands for a mode's module.
inline constexpr std::uint64_t module_bytes = 64 << 10;

/// Formats it. The files' inodes, by their number. `e`: of this thread. program_error.
std::vector<fsdemo::inode_number> lay_out(const std::string& image, const lab_options& options,
                                          const lab_master_keys& keys, env& e);

} // namespace blkcrypto::bench
