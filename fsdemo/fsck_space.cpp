// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/fsck_checks.hpp"

#include <algorithm>

namespace blkcrypto::fsdemo {
namespace {

enum class block_use : std::uint8_t { superblock, node, extent, free };

struct used_run {
    block_number first = 0;
    std::uint64_t blocks = 0;
    block_use use{};

    block_number end() const noexcept { return first + blocks; }
};

/// "block 5 is", "blocks 5 to 9 are"
std::string blocks_are(block_number first, block_number end) {
    if (end - first == 1)
        return "block " + std::to_string(first) + " is";
    return "blocks " + std::to_string(first) + " to " + std::to_string(end - 1) + " are";
}

std::string name_of(const used_run& run) {
    switch (run.use) {
    case block_use::superblock:
        return "a superblock";
    case block_use::node:
        return "a node";
    case block_use::extent:
        return "of the extent at block " + std::to_string(run.first);
    case block_use::free:
        break;
    }
    return "free, from block " + std::to_string(run.first) + " on";
}

std::vector<used_run> all_runs(const image_items& items) {
    std::vector<used_run> runs;
    runs.reserve(superblock_count + items.nodes.size() + items.extents.size() + items.free_runs.size());
    for (block_number block = 0; block < superblock_count; ++block)
        runs.push_back({block, 1, block_use::superblock});
    for (const block_number block : items.nodes)
        runs.push_back({block, 1, block_use::node});
    for (const found_extent& extent : items.extents)
        runs.push_back({extent.first, extent.item.blocks, block_use::extent});
    for (const found_run& run : items.free_runs)
        runs.push_back({run.first, run.blocks, block_use::free});
    std::ranges::sort(runs, {}, &used_run::first);
    return runs;
}

void check_blocks(const image_items& items, const superblock& super, finding_list& findings) {
    const bool is_all_known = !items.are_nodes_missing && !items.missing.has_any_of(item_type::extent) &&
                              !items.missing.has_any_of(item_type::free);
    const auto leaked = [&](block_number first, block_number end) {
        if (is_all_known && first < end)
            findings.at_block(finding_kind::space, first,
                              blocks_are(first, end) + " nothing: not a node, not of an extent, not free");
    };
    used_run furthest; // of those so far, the one that ends last
    for (const used_run& run : all_runs(items)) {
        leaked(furthest.end(), run.first);
        if (run.first < furthest.end())
            findings.at_block(finding_kind::space, run.first,
                              blocks_are(run.first, std::min(run.end(), furthest.end())) + " " +
                                  name_of(furthest) + ", and also " + name_of(run));
        else if (run.first == furthest.end() && run.use == block_use::free && furthest.use == block_use::free)
            findings.at_block(finding_kind::space, run.first,
                              "the free run at block " + std::to_string(run.first) +
                                  " touches the one before it");
        if (run.end() > furthest.end())
            furthest = run;
    }
    leaked(furthest.end(), super.blocks);
}

void check_count(const image_items& items, const superblock& super, finding_list& findings) {
    if (items.missing.has_any_of(item_type::free))
        return;
    std::uint64_t sum = 0;
    for (const found_run& run : items.free_runs)
        sum += run.blocks;
    if (sum != super.free_blocks)
        findings.at_block(finding_kind::space, super.generation % superblock_count,
                          "free runs add up to " + std::to_string(sum) + " blocks, and the superblock says " +
                              std::to_string(super.free_blocks));
}

} // namespace

void check_space(const image_items& items, const superblock& super, finding_list& findings) {
    check_blocks(items, super, findings);
    check_count(items, super, findings);
}

} // namespace blkcrypto::fsdemo
