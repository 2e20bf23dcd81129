// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether an image is what docs/fsdemo-format.md says, all of it: what a reader has to refuse, and what takes
// the whole tree to see. Reads the image by itself, with the decoders and nothing else of the filesystem:
// no cache, no keys, no writes. It goes on behind damage; what cannot be known because something is missing
// is not reported as damage of its own. File data has no checksum and is not read.

#include "blkcrypto/block/block_device.hpp"
#include "fsdemo/format.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::fsdemo {

/// Which rules of the format are broken.
enum class finding_kind : std::uint8_t {
    superblock,
    node,
    item,      // one that cannot be decoded
    space,     // a block that is two things or none, or how many are free
    extent,    // of files: parts, extents, references
    context,   // of extents
    policy,    // of inodes
    dir_entry, // names
    inode      // its number, its parent, its place below the root
};
/// "superblock" ...
std::string_view name_of(finding_kind kind) noexcept;

/// One thing that is wrong, and where: each place only where it has a meaning.
struct fsck_finding {
    finding_kind kind{};
    std::optional<block_number> block;
    std::optional<tree_key> key;
    std::optional<inode_number> inode;
    std::string path; // of the inode or the entry; empty: it has none, or a very long one
    std::string what; // a sentence
};

struct fsck_totals {
    std::uint64_t inodes = 0;
    std::uint64_t directories = 0;
    std::uint64_t files = 0;
    std::uint64_t dir_entries = 0;
    std::uint64_t file_extents = 0;
    std::uint64_t extents = 0;
    std::uint64_t encrypted_extents = 0;
    std::uint64_t references = 0; // what the extents say
    std::uint64_t data_bytes = 0; // in extents, each counted once
    std::uint64_t nodes = 0;
    std::uint64_t leaves = 0;
    std::uint64_t free_blocks = 0;
};

enum class superblock_state : std::uint8_t {
    counts,   // the state of the image
    previous, // a state before it
    empty,    // zeros, as mkfs leaves one
    invalid,
    unreadable
};
std::string_view name_of(superblock_state state) noexcept;

struct fsck_report {
    superblock super; // the one that counts
    std::array<superblock_state, superblock_count> superblocks{};
    std::vector<std::string> notes; // what is not as usual, and not damage
    std::vector<fsck_finding> findings;
    std::uint64_t findings_count = 0; // those that are not listed too
    bool is_incomplete = false;       // something could not be looked at
    fsck_totals totals;               // of what could

    bool is_clean() const noexcept { return findings_count == 0; }
};

struct fsck_options {
    std::size_t max_findings = 1000; // listed
};

/// EMEDIUMTYPE: not an fsdemo image. EUCLEAN: neither superblock is one. EOPNOTSUPP: features that are not
/// known. Errors of the device if there is no superblock because of them. ENOMEM: it takes memory for all
/// items of the image. `why` says more.
result<fsck_report> check(block_device& device, env& e, const fsck_options& options, std::string& why);

} // namespace blkcrypto::fsdemo
