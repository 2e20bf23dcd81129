// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/fsck.hpp"

#include "fsdemo/fsck_checks.hpp"
#include "fsdemo/superblocks.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

class superblock_check {
  public:
    superblock_check(const superblock_copies& copies, block_number newest, fsck_report& report,
                     finding_list& findings)
        : copies_(copies), newest_(newest), report_(report), findings_(findings) {}

    // Of the one that does not count, only what is there and says it is valid can be wrong: a write that was
    // cut off by a crash leaves anything.
    void run(std::uint64_t device_blocks) {
        const superblock& super = report_.super;
        report_.superblocks[newest_] = superblock_state::counts;
        if (super.blocks > device_blocks)
            wrong(newest_, "it has " + std::to_string(super.blocks) + " blocks, and only " +
                               std::to_string(device_blocks) + " are there");
        if (super.read_only_compatible != 0 || super.compatible != 0)
            report_.notes.emplace_back("it has features that are not known here, and not checked");
        check_other(1 - newest_);
    }

  private:
    void wrong(block_number block, const std::string& what) {
        findings_.at_block(finding_kind::superblock, block,
                           "superblock " + std::to_string(block) + ": " + what);
    }
    void note(block_number block, std::string_view what) {
        report_.notes.push_back("superblock " + std::to_string(block) +
                                " does not count: " + std::string(what));
    }

    void check_other(block_number block) {
        const superblock& super = report_.super;
        const superblock_copy& other = copies_[block];
        superblock_state& state = report_.superblocks[block];
        if (other.error) {
            state = superblock_state::unreadable;
            return wrong(block, "it cannot be read: " + other.error.message());
        }
        if (!other.super) {
            state = other.is_empty ? superblock_state::empty : superblock_state::invalid;
            if (!other.is_empty || super.generation != 1) // mkfs leaves zeros
                note(block, other.is_empty ? "it is empty" : other.why);
            return;
        }
        state = superblock_state::previous;
        if (other.super->uuid != super.uuid || other.super->blocks != super.blocks)
            wrong(block, "it is of another filesystem");
        else if (other.is_misplaced)
            wrong(block, "its generation, " + std::to_string(other.super->generation) +
                             ", belongs into the other superblock");
        else if (other.super->generation + 1 != super.generation)
            note(block, "it is older than the state before the last one");
    }

    const superblock_copies& copies_;
    const block_number newest_;
    fsck_report& report_;
    finding_list& findings_;
};

void count(const image_items& items, fsck_totals& totals) {
    totals.inodes = items.inodes.size();
    for (const found_inode& inode : items.inodes)
        ++(inode.item.kind == inode_kind::file ? totals.files : totals.directories);
    totals.dir_entries = items.entries.size();
    totals.file_extents = items.parts.size();
    totals.extents = items.extents.size();
    for (const found_extent& extent : items.extents) {
        totals.encrypted_extents += extent.item.context ? 1U : 0U;
        totals.references += extent.item.references;
        totals.data_bytes += extent.item.length_bytes();
    }
    for (const found_run& run : items.free_runs)
        totals.free_blocks += run.blocks;
}

void add_path(fsck_finding& finding, const image_items& items) {
    const found_entry* const entry = finding.key ? items.find_entry(*finding.key) : nullptr;
    if (entry != nullptr)
        finding.path = path_of(items, *entry);
    else if (finding.inode)
        finding.path = path_of(items, *finding.inode);
}

result<fsck_report> check_image(block_device& device, env& e, const fsck_options& options, std::string& why) {
    const std::uint64_t device_blocks = to_bytes(device.capacity()).value >> block_bits;
    if (device_blocks < superblock_count) {
        why = "too short for a superblock";
        return make_error(EMEDIUMTYPE);
    }
    auto io = metadata_io::make(device, e);
    if (!io)
        return io.error();
    const superblock_copies copies = read_superblocks(**io);
    const auto newest = newest_superblock(copies, why);
    if (!newest)
        return newest.error();
    fsck_report report;
    report.super = *copies[*newest].super;
    if (report.super.incompatible != feature_per_extent_keys) {
        why = "it has features that are not known here";
        return make_error(EOPNOTSUPP);
    }
    finding_list findings(report, options.max_findings);
    superblock_check(copies, *newest, report, findings).run(device_blocks);
    image_items items = read_items(**io, report.super, device_blocks, report.totals, findings);
    report.is_incomplete = !items.missing.empty();
    count(items, report.totals);
    check_space(items, report.super, findings);
    check_files(items, findings);
    check_names(items, report.super, findings);
    for (fsck_finding& finding : report.findings)
        add_path(finding, items);
    return report;
}

} // namespace

std::string_view name_of(finding_kind kind) noexcept {
    constexpr std::array<std::string_view, 9> names{"superblock", "node",   "item",      "space", "extent",
                                                    "context",    "policy", "dir-entry", "inode"};
    return names[static_cast<std::size_t>(kind)];
}

std::string_view name_of(superblock_state state) noexcept {
    constexpr std::array<std::string_view, 5> names{"counts", "previous", "empty", "invalid", "unreadable"};
    return names[static_cast<std::size_t>(state)];
}

result<fsck_report> check(block_device& device, env& e, const fsck_options& options, std::string& why) {
    return or_no_memory([&] { return check_image(device, e, options, why); });
}

} // namespace blkcrypto::fsdemo
